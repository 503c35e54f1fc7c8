-- projection: ohlcv_1m_projection
-- How many minutes and days of `symbol` have trades, and when the first and the last of these minutes begin (s; 0 when
-- there is none).
-- Columns: minutes, days, first minute, last minute.
SELECT
    count(),
    uniqExact(toStartOfDay(minute)),
    toUnixTimestamp(min(minute)),
    toUnixTimestamp(max(minute))
FROM
(
    SELECT toStartOfMinute(timestamp) AS minute
    FROM trades_local
    WHERE symbol = {symbol:String}
    GROUP BY symbol, minute
)
