-- How far each symbol is: what a client hears that is told from the table once a second.
SELECT symbol, max(aggregate_id) AS max_agg_id
FROM trades_local
GROUP BY symbol
