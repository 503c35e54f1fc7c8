-- projection: ohlcv_1m_projection
-- The first `limit` candles of `symbol` in `timeframe` minutes, buckets floored from the Unix epoch,
-- whose minutes begin in [since, until) (seconds; both on a bucket's border, or the first and last are partial).
-- Columns: open time (ms), open, high, low, close, volume, taker buy volume (counts of 10^-8), quote volume, taker buy quote
-- volume (counts of 10^-16), aggregates, trades, smallest id, largest id, sum of ids, first and last minute (s).
SELECT
    intDiv(toUnixTimestamp(minute), {timeframe:UInt32} * 60) * {timeframe:UInt32} * 60000 AS open_time,
    reinterpret(argMin(minute_open, minute), 'Int64'),
    reinterpret(max(minute_high), 'Int64'),
    reinterpret(min(minute_low), 'Int64'),
    reinterpret(argMax(minute_close, minute), 'Int64'),
    reinterpret(sum(minute_volume), 'Int128'),
    reinterpret(sum(minute_buy), 'Int128'),
    reinterpret(sum(minute_quote), 'Int128'),
    reinterpret(sum(minute_buy_quote), 'Int128'),
    sum(minute_aggregates),
    sum(minute_trades),
    min(minute_first_id),
    max(minute_last_id),
    sum(minute_sum_id),
    toUnixTimestamp(min(minute)),
    toUnixTimestamp(max(minute))
FROM
(
    SELECT
        toStartOfMinute(timestamp) AS minute,
        argMin(price, aggregate_id) AS minute_open,
        max(price) AS minute_high,
        min(price) AS minute_low,
        argMax(price, aggregate_id) AS minute_close,
        sum(quantity) AS minute_volume,
        sumIf(quantity, is_buyer_maker = 0) AS minute_buy,
        sum(toDecimal128(price, 8) * quantity) AS minute_quote,
        sumIf(toDecimal128(price, 8) * quantity, is_buyer_maker = 0) AS minute_buy_quote,
        count() AS minute_aggregates,
        sum(last_trade_id - first_trade_id + 1) AS minute_trades,
        min(aggregate_id) AS minute_first_id,
        max(aggregate_id) AS minute_last_id,
        sum(aggregate_id) AS minute_sum_id
    FROM trades_local
    WHERE symbol = {symbol:String}
        AND toStartOfMinute(timestamp) >= toDateTime({since:UInt32}, 'UTC')
        AND toStartOfMinute(timestamp) < toDateTime({until:UInt32}, 'UTC')
    GROUP BY symbol, minute
)
GROUP BY open_time
ORDER BY open_time ASC
LIMIT {limit:UInt32}
