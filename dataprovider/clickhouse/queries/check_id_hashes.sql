-- projection: none: whether each id is there once is only seen in the rows
-- The ids of `symbol` with a time in [since, until) (seconds), by day: one pass over the id column. Ids with the same
-- count, bounds, sum and sum of hashes are the same ids, up to 2^-64. Sums are modulo 2^64.
-- Columns: day (s), rows, smallest id, largest id, sum of ids, sum of the ids' hashes.
SELECT
    toUnixTimestamp(toStartOfDay(timestamp)) AS day,
    count(),
    min(aggregate_id),
    max(aggregate_id),
    sum(aggregate_id),
    sumWithOverflow(intHash64(aggregate_id))
FROM trades_local
WHERE symbol = {symbol:String}
    AND timestamp >= toDateTime64({since:UInt32}, 3, 'UTC')
    AND timestamp < toDateTime64({until:UInt32}, 3, 'UTC')
GROUP BY day
ORDER BY day
