-- projection: ohlcv_1m_projection
-- The minutes of `symbol` that begin in [since, until) (seconds), ascending. `sum of ids` is modulo 2^64.
-- Columns: minute (s), rows, smallest id, largest id, sum of ids.
SELECT
    toUnixTimestamp(toStartOfMinute(timestamp)),
    count(),
    min(aggregate_id),
    max(aggregate_id),
    sum(aggregate_id)
FROM trades_local
WHERE symbol = {symbol:String}
    AND toStartOfMinute(timestamp) >= toDateTime({since:UInt32}, 'UTC')
    AND toStartOfMinute(timestamp) < toDateTime({until:UInt32}, 'UTC')
GROUP BY symbol, toStartOfMinute(timestamp)
ORDER BY toStartOfMinute(timestamp)
