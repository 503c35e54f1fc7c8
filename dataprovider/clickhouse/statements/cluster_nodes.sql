-- The nodes of the cluster as a server's configuration has them. Rows: host, port, weight.
SELECT host_name, port, shard_weight FROM system.clusters WHERE cluster = 'dataprovider' ORDER BY shard_num, replica_num
