-- The shards of which a node has trades, ascending. The second part of a partition's name is its shard.
SELECT DISTINCT toUInt8OrZero(extract(partition, ',([0-9]+)\\)$')) AS shard
FROM system.parts
WHERE database = currentDatabase() AND table = 'trades_local' AND active AND rows > 0
ORDER BY shard
