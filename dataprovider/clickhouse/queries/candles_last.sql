-- projection: ohlcv_1m_projection
-- The last `limit` candles, newest first, of `symbol` in `timeframe` minutes, buckets floored from the Unix epoch, out of the minutes
-- that begin in [since, until) (seconds; where these are no bucket's border, the first and the last candle are partial).
-- One step from the minutes' states to the candle: open and close are the trades with the smallest and largest id.
-- Columns: open time (ms), open, high, low, close, volume, taker buy volume (counts of 10^-8), quote volume, taker buy quote
-- volume (counts of 10^-16), aggregates, trades, smallest id, largest id, sum of ids (mod 2^64).
SELECT
    intDiv(toUnixTimestamp(toStartOfMinute(timestamp)), {timeframe:UInt32} * 60) * {timeframe:UInt32} * 60000 AS open_time,
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
    AND toStartOfMinute(timestamp) >= toDateTime({since:UInt32}, 'UTC')
    AND toStartOfMinute(timestamp) < toDateTime({until:UInt32}, 'UTC')
GROUP BY symbol, open_time
ORDER BY open_time DESC
LIMIT {limit:UInt32}
-- Threads that read at least four granules of minutes each: unasked, one reads up to eight, and a month has six.
SETTINGS
    merge_tree_min_rows_for_concurrent_read = 32768,
    merge_tree_min_bytes_for_concurrent_read = 1,
    merge_tree_min_read_task_size = 1
