-- Parameters: shard, epoch. The rows follow as one Native block, prices and quantities as counts of 10^-8.
-- The fence compares constants only: a scalar subquery would send progress before the sample block, which
-- clickhouse-driver does not expect. joinGet finds its table in the connection's database.
INSERT INTO trades_local
(
    symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
)
SELECT
    symbol,
    aggregate_id,
    reinterpret(price, 'Decimal64(8)'),
    reinterpret(quantity, 'Decimal64(8)'),
    first_trade_id,
    last_trade_id,
    fromUnixTimestamp64Milli(timestamp, 'UTC'),
    is_buyer_maker
FROM input('symbol String, aggregate_id UInt64, price Int64, quantity Int64, first_trade_id UInt64, last_trade_id UInt64, timestamp Int64, is_buyer_maker UInt8')
WHERE NOT throwIf(joinGet('shard_epochs', 'epoch', {shard:UInt8}) > {epoch:UInt64}, 'stale epoch')
FORMAT Native
