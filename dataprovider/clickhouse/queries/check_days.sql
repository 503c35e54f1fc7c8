-- projection: agg_id_projection
-- The days of each of `symbols` that begin in [since, until) (seconds), ascending. Sums are modulo 2^64; the fingerprint is
-- equal for equal rows in any order.
-- Columns: symbol, day (s), rows, smallest id, largest id, sum of ids, fingerprint.
SELECT
    symbol,
    toUnixTimestamp(toStartOfDay(timestamp)),
    count(),
    min(aggregate_id),
    max(aggregate_id),
    sum(aggregate_id),
    sumWithOverflow(cityHash64(
        symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
    ))
FROM {trades:Identifier}
WHERE symbol IN {symbols:Array(String)}
    AND toStartOfDay(timestamp) >= toDateTime({since:UInt32}, 'UTC')
    AND toStartOfDay(timestamp) < toDateTime({until:UInt32}, 'UTC')
GROUP BY symbol, toStartOfDay(timestamp)
ORDER BY symbol, toStartOfDay(timestamp)
