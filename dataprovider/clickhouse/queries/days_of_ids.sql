-- projection: agg_id_projection
-- The first and the last day of `symbol` that can hold an aggregate id in [from_id, to_id].
-- Columns: days that can, first day, last day (s; 0 where there is none).
SELECT
    count(),
    toUnixTimestamp(min(day)),
    toUnixTimestamp(max(day))
FROM
(
    SELECT toStartOfDay(timestamp) AS day
    FROM trades_local
    WHERE symbol = {symbol:String}
    GROUP BY symbol, day
    HAVING max(aggregate_id) >= {from_id:UInt64} AND min(aggregate_id) <= {to_id:UInt64}
)
