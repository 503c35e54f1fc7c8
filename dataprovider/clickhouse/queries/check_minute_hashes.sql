-- projection: none: whether each id is there once is only seen in the rows
-- As check_id_hashes, by minute.
-- Columns: minute (s), rows, smallest id, largest id, sum of ids, sum of the ids' hashes.
SELECT
    toUnixTimestamp(toStartOfMinute(timestamp)) AS minute,
    count(),
    min(aggregate_id),
    max(aggregate_id),
    sum(aggregate_id),
    sumWithOverflow(intHash64(aggregate_id))
FROM trades_local
WHERE symbol = {symbol:String}
    AND timestamp >= toDateTime64({since:UInt32}, 3, 'UTC')
    AND timestamp < toDateTime64({until:UInt32}, 3, 'UTC')
GROUP BY minute
ORDER BY minute
