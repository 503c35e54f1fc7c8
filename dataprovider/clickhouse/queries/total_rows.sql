-- projection: _minmax_count_projection
-- All of it, from the parts' metadata.
-- Columns: rows, newest trade's time (ms; 0 when there is none).
SELECT count(), toUnixTimestamp64Milli(max(timestamp)) FROM {trades:Identifier}
