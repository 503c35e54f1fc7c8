-- What a node has of each shard. Rows: shard, rows, bytes on disk.
SELECT toUInt8OrZero(extract(partition, ',([0-9]+)\\)$')) AS shard, sum(rows), sum(bytes_on_disk)
FROM system.parts
WHERE database = currentDatabase() AND table = 'trades_local' AND active AND rows > 0
GROUP BY shard
ORDER BY shard
