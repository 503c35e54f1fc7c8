-- projection: none: reads single rows, by the order of the primary key
-- When the trades ids[i] of symbols[i] that lie in minutes[i] (seconds) happened; what is not there has no row.
-- Columns: symbol, id, time (ms).
SELECT
    symbol,
    aggregate_id,
    toUnixTimestamp64Milli(min(timestamp))
FROM {trades:Identifier}
WHERE (symbol, toStartOfMinute(timestamp)) IN
    (
        SELECT pair.1, toDateTime(pair.2, 'UTC')
        FROM (SELECT arrayJoin(arrayZip({symbols:Array(String)}, {minutes:Array(UInt32)})) AS pair)
    )
    AND (symbol, aggregate_id) IN (SELECT arrayJoin(arrayZip({symbols:Array(String)}, {ids:Array(UInt64)})))
GROUP BY symbol, aggregate_id
