-- projection: ohlcv_1m_projection
-- Of each of `symbols`, day by day from `since` (seconds) on: what may be judged, which is all but the minutes that end
-- less than a minute before the symbol's newest one begins. `tangled` are minutes whose ids are not one whole range.
-- Columns: symbol, day (s), newest minute of the symbol (s), rows, smallest id, largest id, sum of ids (mod 2^64), last
-- minute (s; 0 without rows), tangled minutes.
SELECT
    symbol,
    toUnixTimestamp(toStartOfDay(minute)) AS day,
    toUnixTimestamp(any(newest)),
    sumIf(minute_rows, settled),
    minIf(first_id, settled),
    maxIf(last_id, settled),
    sumIf(sum_id, settled),
    maxIf(toUnixTimestamp(minute), settled),
    countIf(settled AND (minute_rows != last_id - first_id + 1
        OR sum_id != toUInt64(intDiv((toUInt128(first_id) + last_id) * minute_rows, 2))))
FROM
(
    SELECT
        *,
        max(minute) OVER (PARTITION BY symbol) AS newest,
        minute < newest - INTERVAL 1 MINUTE AS settled
    FROM
    (
        SELECT
            symbol,
            toStartOfMinute(timestamp) AS minute,
            count() AS minute_rows,
            min(aggregate_id) AS first_id,
            max(aggregate_id) AS last_id,
            sum(aggregate_id) AS sum_id
        FROM {trades:Identifier}
        WHERE symbol IN {symbols:Array(String)}
            AND toStartOfMinute(timestamp) >= toDateTime({since:UInt32}, 'UTC')
        GROUP BY symbol, minute
    )
)
GROUP BY symbol, day
ORDER BY symbol, day
