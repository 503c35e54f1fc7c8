-- projection: agg_id_projection
-- The trades of all symbols of the days that begin in [since, until) (seconds).
-- Columns: symbols, rows.
SELECT
    uniqExact(symbol),
    sum(day_rows)
FROM
(
    SELECT
        symbol,
        count() AS day_rows
    FROM {trades:Identifier}
    WHERE toStartOfDay(timestamp) >= toDateTime({since:UInt32}, 'UTC')
        AND toStartOfDay(timestamp) < toDateTime({until:UInt32}, 'UTC')
    GROUP BY symbol, toStartOfDay(timestamp)
)
