-- projection: agg_id_projection
-- The newest `days` days that have trades, of each of `symbols`, newest first.
-- Columns: symbol, day (s), rows, smallest id, largest id, sum of ids (mod 2^64).
SELECT
    symbol,
    toUnixTimestamp(toStartOfDay(timestamp)) AS day,
    count(),
    min(aggregate_id),
    max(aggregate_id),
    sum(aggregate_id)
FROM {trades:Identifier}
WHERE symbol IN {symbols:Array(String)}
GROUP BY symbol, toStartOfDay(timestamp)
ORDER BY symbol, toStartOfDay(timestamp) DESC
LIMIT {days:UInt32} BY symbol
