-- projection: agg_id_projection, ohlcv_1m_projection
-- The stored trades of `symbol` around the minutes [since, until) (seconds): the largest aggregate id before them and the
-- smallest after. Whole days are asked first, minutes only of the border days.
-- Columns: is before (1 or 0), id; no row for a side that has no trades.
SELECT
    before,
    if(before, max(last_id), min(first_id))
FROM
(
    SELECT 1 AS before, count() AS found, min(aggregate_id) AS first_id, max(aggregate_id) AS last_id
    FROM trades_local
    WHERE symbol = {symbol:String}
        AND toStartOfDay(timestamp) < toStartOfDay(toDateTime({since:UInt32}, 'UTC'))
    UNION ALL
    SELECT 1, count(), min(aggregate_id), max(aggregate_id)
    FROM trades_local
    WHERE symbol = {symbol:String}
        AND toStartOfMinute(timestamp) >= toStartOfDay(toDateTime({since:UInt32}, 'UTC'))
        AND toStartOfMinute(timestamp) < toDateTime({since:UInt32}, 'UTC')
    UNION ALL
    SELECT 0, count(), min(aggregate_id), max(aggregate_id)
    FROM trades_local
    WHERE symbol = {symbol:String}
        AND toStartOfDay(timestamp) > toStartOfDay(toDateTime({until:UInt32}, 'UTC'))
    UNION ALL
    SELECT 0, count(), min(aggregate_id), max(aggregate_id)
    FROM trades_local
    WHERE symbol = {symbol:String}
        AND toStartOfMinute(timestamp) >= toDateTime({until:UInt32}, 'UTC')
        AND toStartOfMinute(timestamp) < toStartOfDay(toDateTime({until:UInt32}, 'UTC')) + INTERVAL 1 DAY
)
WHERE found > 0
GROUP BY before
ORDER BY before
