-- projection: agg_id_projection
-- What is stored of each of `symbols`; those without trades are absent.
-- Columns: symbol, rows, smallest id, largest id, sum of ids (mod 2^64), first day, last day (s).
SELECT
    symbol,
    sum(day_rows),
    min(day_first_id),
    max(day_last_id),
    sum(day_sum_id),
    toUnixTimestamp(min(day)),
    toUnixTimestamp(max(day))
FROM
(
    SELECT
        symbol,
        toStartOfDay(timestamp) AS day,
        count() AS day_rows,
        min(aggregate_id) AS day_first_id,
        max(aggregate_id) AS day_last_id,
        sum(aggregate_id) AS day_sum_id
    FROM {trades:Identifier}
    WHERE symbol IN {symbols:Array(String)}
    GROUP BY symbol, day
)
GROUP BY symbol
ORDER BY symbol
