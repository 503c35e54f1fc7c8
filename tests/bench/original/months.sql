-- The original's "Integrity Check Query", for one symbol.
SELECT
    toYYYYMM(timestamp) as month,
    count() as total_count,
    min(aggregate_id) as min_id,
    max(aggregate_id) as max_id,
    max(aggregate_id) - min(aggregate_id) + 1 - count() as gaps_count
FROM trades_local
WHERE symbol = {symbol:String}
GROUP BY month
ORDER BY month
