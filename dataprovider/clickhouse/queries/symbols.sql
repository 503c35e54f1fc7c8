-- projection: agg_id_projection
-- Every symbol that has trades.
-- Columns: symbol, rows, smallest id, largest id.
SELECT
    symbol,
    sum(day_rows),
    min(day_first_id),
    max(day_last_id)
FROM
(
    -- By day, so that the smaller projection answers.
    SELECT
        symbol,
        count() AS day_rows,
        min(aggregate_id) AS day_first_id,
        max(aggregate_id) AS day_last_id
    FROM {trades:Identifier}
    GROUP BY symbol, toStartOfDay(timestamp)
)
GROUP BY symbol
ORDER BY symbol
