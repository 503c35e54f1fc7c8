-- projection: agg_id_projection
-- The days of `symbol` that begin in [since, until) (seconds), ascending. `sum of ids` is modulo 2^64; the fingerprint is equal
-- for equal rows in any order.
-- Columns: day (s), rows, smallest id, largest id, sum of ids, fingerprint.
SELECT
    toUnixTimestamp(toStartOfDay(timestamp)),
    count(),
    min(aggregate_id),
    max(aggregate_id),
    sum(aggregate_id),
    sumWithOverflow(cityHash64(
        symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
    ))
FROM trades_local
WHERE symbol = {symbol:String}
    AND toStartOfDay(timestamp) >= toDateTime({since:UInt32}, 'UTC')
    AND toStartOfDay(timestamp) < toDateTime({until:UInt32}, 'UTC')
GROUP BY symbol, toStartOfDay(timestamp)
ORDER BY toStartOfDay(timestamp)
