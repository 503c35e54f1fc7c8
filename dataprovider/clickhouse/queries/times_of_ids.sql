-- projection: agg_id_projection, ohlcv_1m_projection
-- When the trades `ids` (at least one) of `symbol` happened; what is not stored has no row. Rows are read only of the
-- minutes that, by the projections, can hold one of them.
-- Columns: id, time of the first trade under it (ms), of the last.
SELECT
    aggregate_id,
    toUnixTimestamp64Milli(min(timestamp)),
    toUnixTimestamp64Milli(max(timestamp))
FROM trades_local
WHERE symbol = {symbol:String}
    AND aggregate_id IN {ids:Array(UInt64)}
    AND toStartOfMinute(timestamp) IN
    (
        SELECT toStartOfMinute(timestamp)
        FROM trades_local
        WHERE symbol = {symbol:String}
            AND toStartOfDay(toStartOfMinute(timestamp)) IN
            (
                SELECT toStartOfDay(timestamp)
                FROM trades_local
                WHERE symbol = {symbol:String}
                GROUP BY symbol, toStartOfDay(timestamp)
                HAVING arrayExists(id -> id BETWEEN min(aggregate_id) AND max(aggregate_id), {ids:Array(UInt64)})
            )
        GROUP BY symbol, toStartOfMinute(timestamp)
        HAVING arrayExists(id -> id BETWEEN min(aggregate_id) AND max(aggregate_id), {ids:Array(UInt64)})
    )
GROUP BY aggregate_id
ORDER BY aggregate_id
