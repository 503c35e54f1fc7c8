-- Parameters: shard, table. Rows: month (YYYYMM) of each of its partitions there, ascending.
SELECT DISTINCT toUInt32OrZero(extract(partition, '^\\(([0-9]+),')) AS month
FROM system.parts
WHERE database = currentDatabase() AND table = {table:String} AND active AND rows > 0
    AND toUInt8OrZero(extract(partition, ',([0-9]+)\\)$')) = {shard:UInt8}
ORDER BY month
