-- projection: agg_id_projection
-- The stored trades of `symbol` on the days before that of `since` and after that of `until` (seconds): where
-- candle_neighbours found none, the nearest are these.
-- Columns: is before (1 or 0), smallest id, largest id; no row for a side that has no trades.
SELECT
    toStartOfDay(timestamp) < toStartOfDay(toDateTime({since:UInt32}, 'UTC')) AS before,
    min(aggregate_id),
    max(aggregate_id)
FROM trades_local
WHERE symbol = {symbol:String}
    AND
    (
        toStartOfDay(timestamp) < toStartOfDay(toDateTime({since:UInt32}, 'UTC'))
        OR toStartOfDay(timestamp) > toStartOfDay(toDateTime({until:UInt32}, 'UTC'))
    )
GROUP BY symbol, before
ORDER BY before
