-- projection: agg_id_projection
-- The days of `shard`, ascending. The fingerprint is equal for equal rows in any order.
-- Columns: day (s), rows, fingerprint.
SELECT
    toUnixTimestamp(toStartOfDay(timestamp)),
    count(),
    sumWithOverflow(cityHash64(
        symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
    ))
FROM {trades:Identifier}
WHERE cityHash64(symbol) % 16 = {shard:UInt8}
GROUP BY toStartOfDay(timestamp)
ORDER BY toStartOfDay(timestamp)
