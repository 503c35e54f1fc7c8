-- Parameters: shard, day (s). On the node that a shard has left: how many of its trades of that day no node has now.
SELECT count()
FROM trades_moved
WHERE cityHash64(symbol) % 16 = {shard:UInt8}
    AND timestamp >= toDateTime64({day:UInt32}, 3, 'UTC')
    AND timestamp < toDateTime64({day:UInt32} + 86400, 3, 'UTC')
    AND cityHash64(
        symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
    ) GLOBAL NOT IN
    (
        SELECT cityHash64(
            symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
        )
        FROM trades
        WHERE cityHash64(symbol) % 16 = {shard:UInt8}
            AND timestamp >= toDateTime64({day:UInt32}, 3, 'UTC')
            AND timestamp < toDateTime64({day:UInt32} + 86400, 3, 'UTC')
    )
SETTINGS optimize_skip_unused_shards = 0
