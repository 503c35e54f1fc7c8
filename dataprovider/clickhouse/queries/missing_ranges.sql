-- projection: agg_id_projection, ohlcv_1m_projection
-- The aggregate ids of `symbol` in [first_id, last_id] that are not stored, as ranges, ascending. Rows are read only of the
-- minutes that, by the projections, can hold ids of the range.
-- Columns: first missing id, last missing id.
SELECT
    expected,
    aggregate_id - 1
FROM
(
    SELECT
        aggregate_id,
        lagInFrame(aggregate_id + 1, 1, {first_id:UInt64}) OVER (ORDER BY aggregate_id) AS expected
    FROM
    (
        SELECT aggregate_id
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
        GROUP BY aggregate_id
        UNION ALL
        -- The end of the range, as if the id after it were stored.
        SELECT {last_id:UInt64} + 1
    )
)
WHERE aggregate_id > expected
ORDER BY expected
