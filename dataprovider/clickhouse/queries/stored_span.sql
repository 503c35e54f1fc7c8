-- projection: _minmax_count_projection
-- When the stored trades begin and end, all symbols together, from the parts' metadata.
-- Columns: rows, oldest trade's time, newest trade's time (ms; 0 when there is none).
SELECT
    count(),
    toUnixTimestamp64Milli(min(timestamp)),
    toUnixTimestamp64Milli(max(timestamp))
FROM {trades:Identifier}
