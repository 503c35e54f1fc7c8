-- projection: agg_id_projection
-- The months (UTC) of each of `symbols` that have trades, ascending; without `symbols`, of all. Sums are modulo 2^64.
-- Columns: symbol, month (its first day, s), days with trades, first of these (s), last of these (s), rows, smallest id,
-- largest id, sum of ids, fingerprint.
SELECT
    symbol,
    toUnixTimestamp(toStartOfMonth(day)::DateTime('UTC')) AS month,
    count(),
    toUnixTimestamp(min(day)),
    toUnixTimestamp(max(day)),
    sum(day_rows),
    min(day_first_id),
    max(day_last_id),
    sum(day_sum_id),
    sumWithOverflow(day_fingerprint)
FROM
(
    SELECT
        symbol,
        toStartOfDay(timestamp) AS day,
        count() AS day_rows,
        min(aggregate_id) AS day_first_id,
        max(aggregate_id) AS day_last_id,
        sum(aggregate_id) AS day_sum_id,
        sumWithOverflow(cityHash64(
            symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
        )) AS day_fingerprint
    FROM {trades:Identifier}
    WHERE empty({symbols:Array(String)}) OR symbol IN {symbols:Array(String)}
    GROUP BY symbol, day
)
GROUP BY symbol, month
ORDER BY symbol, month
