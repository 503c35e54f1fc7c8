-- Parameters: shard, day (s), source (its number in the cluster, from 1). On the node where the shard is to live: its trades of that
-- day out of the table of all nodes, but those that have arrived already.
INSERT INTO trades_arriving
(
    symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker, insert_time
)
SELECT symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker, insert_time
FROM trades
WHERE _shard_num = {source:UInt32}
    AND cityHash64(symbol) % 16 = {shard:UInt8}
    AND timestamp >= toDateTime64({day:UInt32}, 3, 'UTC')
    AND timestamp < toDateTime64({day:UInt32} + 86400, 3, 'UTC')
    AND (symbol, aggregate_id, first_trade_id) GLOBAL NOT IN
    (
        SELECT symbol, aggregate_id, first_trade_id
        FROM trades_arriving
        WHERE cityHash64(symbol) % 16 = {shard:UInt8}
            AND timestamp >= toDateTime64({day:UInt32}, 3, 'UTC')
            AND timestamp < toDateTime64({day:UInt32} + 86400, 3, 'UTC')
    )
SETTINGS insert_deduplicate = 0, optimize_skip_unused_shards = 0
