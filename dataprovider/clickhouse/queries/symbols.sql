-- projection: agg_id_projection
-- Every symbol that has trades.
-- Columns: symbol, rows, smallest id, largest id.
SELECT
    symbol,
    count(),
    min(aggregate_id),
    max(aggregate_id)
FROM trades_local
GROUP BY symbol
ORDER BY symbol
