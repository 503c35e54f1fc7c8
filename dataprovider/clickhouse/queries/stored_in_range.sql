-- projection: agg_id_projection, ohlcv_1m_projection
-- How many rows of `symbol` have an aggregate id in [first_id, last_id], and how many different trades those are.
-- Columns: rows, different (aggregate id, first trade id).
SELECT
    count(),
    uniqExact(aggregate_id, first_trade_id)
FROM trades_local
WHERE symbol = {symbol:String}
    AND aggregate_id BETWEEN {first_id:UInt64} AND {last_id:UInt64}
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
                HAVING max(aggregate_id) >= {first_id:UInt64} AND min(aggregate_id) <= {last_id:UInt64}
            )
        GROUP BY symbol, toStartOfMinute(timestamp)
        HAVING max(aggregate_id) >= {first_id:UInt64} AND min(aggregate_id) <= {last_id:UInt64}
    )
