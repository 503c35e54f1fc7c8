-- projection: agg_id_projection
-- Which trades of `symbol` with an aggregate id in [first_id, last_id] are stored. Rows are read only of the days that, by the
-- projection, can hold ids of the range.
-- Columns: aggregate id, first trade id.
SELECT aggregate_id, first_trade_id
FROM trades_local
WHERE symbol = {symbol:String}
    AND aggregate_id BETWEEN {first_id:UInt64} AND {last_id:UInt64}
    AND toStartOfDay(timestamp) IN
    (
        SELECT toStartOfDay(timestamp)
        FROM trades_local
        WHERE symbol = {symbol:String}
        GROUP BY symbol, toStartOfDay(timestamp)
        HAVING max(aggregate_id) >= {first_id:UInt64} AND min(aggregate_id) <= {last_id:UInt64}
    )
