-- Parameters: shard, epoch, claim. As insert_trades, with a second fence: the claim must not have been revoked.
-- The epoch is the one that was read before looking at what is stored: an owner of the shard that came since may have
-- stored some of the same trades out of its spool.
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
    AND NOT throwIf(joinGet('revoked_claims', 'revoked', {claim:UInt64}) > 0, 'revoked claim')
FORMAT Native
