-- projection: ohlcv_1m_projection
-- The stored trades of `symbol` next to the minutes [since, until) (seconds), a day to either side.
-- Columns: is before (1 or 0), smallest id, largest id; no row for a side that has no trades.
SELECT
    toStartOfMinute(timestamp) < toDateTime({since:UInt32}, 'UTC') AS before,
    min(aggregate_id),
    max(aggregate_id)
FROM trades_local
WHERE symbol = {symbol:String}
    AND toStartOfMinute(timestamp) >= toDateTime({since:UInt32}, 'UTC') - INTERVAL 1 DAY
    AND toStartOfMinute(timestamp) < toDateTime({until:UInt32}, 'UTC') + INTERVAL 1 DAY
    AND NOT
    (
        toStartOfMinute(timestamp) >= toDateTime({since:UInt32}, 'UTC')
        AND toStartOfMinute(timestamp) < toDateTime({until:UInt32}, 'UTC')
    )
GROUP BY symbol, before
ORDER BY before
