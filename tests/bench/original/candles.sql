-- A month of candles out of the rows, by the columns and the functions of the original's projection. It filters and groups
-- by timestamp, as the original's advice on partitions has it ("timestamp >= …"), so no projection can answer it.
SELECT
    intDiv(toUnixTimestamp(timestamp), {timeframe:UInt32} * 60) * {timeframe:UInt32} * 60000 AS candle_time,
    argMin(price, timestamp) AS open,
    max(price) AS high,
    min(price) AS low,
    argMax(price, timestamp) AS close,
    sum(quantity) AS volume,
    count() AS trades_count
FROM trades_local
WHERE symbol = {symbol:String}
    AND timestamp >= toDateTime64({since:UInt32}, 3, 'UTC')
    AND timestamp < toDateTime64({until:UInt32}, 3, 'UTC')
GROUP BY candle_time
ORDER BY candle_time
