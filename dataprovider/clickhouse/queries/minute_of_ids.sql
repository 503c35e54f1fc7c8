-- projection: none: reads whole rows of one minute, in the order of the primary key
-- What is stored of one symbol's minute that begins at `start` (ms) and ends at `end` (its last ms), of aggregate ids from
-- `first_id` to `last_id`, both included.
-- Columns: as in candles_first.sql, with the minute as open time; no row when there is no such trade.
SELECT
    {start:Int64} AS open_time,
    reinterpret(argMin(price, aggregate_id), 'Int64'),
    reinterpret(max(price), 'Int64'),
    reinterpret(min(price), 'Int64'),
    reinterpret(argMax(price, aggregate_id), 'Int64'),
    reinterpret(sum(quantity), 'Int128'),
    reinterpret(sumIf(quantity, is_buyer_maker = 0), 'Int128'),
    reinterpret(sum(toDecimal128(price, 8) * quantity), 'Int128'),
    reinterpret(sumIf(toDecimal128(price, 8) * quantity, is_buyer_maker = 0), 'Int128'),
    count(),
    sum(last_trade_id - first_trade_id + 1),
    min(aggregate_id),
    max(aggregate_id),
    sum(aggregate_id)
FROM trades_local
WHERE symbol = {symbol:String}
    AND timestamp >= fromUnixTimestamp64Milli({start:Int64}, 'UTC')
    AND timestamp <= fromUnixTimestamp64Milli({end:Int64}, 'UTC')
    AND aggregate_id >= {first_id:UInt64}
    AND aggregate_id <= {last_id:UInt64}
GROUP BY symbol
