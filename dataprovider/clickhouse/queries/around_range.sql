-- projection: agg_id_projection, ohlcv_1m_projection
-- When the stored trades of `symbol` next to the ids [first_id, last_id] happened, to the minute: the last minute with a
-- smaller id, and the first with a larger one.
-- Columns: minute with a smaller id, minute with a larger id (s; 0 where there is none).
SELECT
    maxIf(minute, smallest < {first_id:UInt64}),
    minIf(minute, largest > {last_id:UInt64})
FROM
(
    SELECT
        toUnixTimestamp(toStartOfMinute(timestamp)) AS minute,
        min(aggregate_id) AS smallest,
        max(aggregate_id) AS largest
    FROM trades_local
    WHERE symbol = {symbol:String}
        AND toStartOfDay(toStartOfMinute(timestamp)) IN
        (
            SELECT arrayJoin([maxIf(day, smallest < {first_id:UInt64}), minIf(day, largest > {last_id:UInt64})])
            FROM
            (
                SELECT toStartOfDay(timestamp) AS day, min(aggregate_id) AS smallest, max(aggregate_id) AS largest
                FROM trades_local
                WHERE symbol = {symbol:String}
                GROUP BY symbol, day
            )
        )
    GROUP BY symbol, minute
)
