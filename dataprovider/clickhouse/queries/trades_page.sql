-- projection: none: reads whole rows, in the order of the primary key
-- The first `limit` trades of `symbol` from (start, start_id) on, in the order of time and then id, with a time up to `end`
-- (ms) and an id in [from_id, to_id]; with the last of them also all others of its time and id. Sorted by exactly the
-- primary key: two trades under one id come in any order.
-- Columns: aggregate id, price, quantity (counts of 10^-8), first trade id, last trade id, time (ms), is buyer maker (0 or 1).
SELECT
    aggregate_id,
    reinterpret(price, 'Int64'),
    reinterpret(quantity, 'Int64'),
    first_trade_id,
    last_trade_id,
    toUnixTimestamp64Milli(timestamp),
    is_buyer_maker
FROM trades_local
WHERE symbol = {symbol:String}
    AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND timestamp <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND (timestamp > fromUnixTimestamp64Milli({start:Int64}, 'UTC') OR aggregate_id >= {start_id:UInt64})
    AND aggregate_id >= {from_id:UInt64}
    AND aggregate_id <= {to_id:UInt64}
ORDER BY timestamp, aggregate_id
LIMIT {limit:UInt32} WITH TIES
