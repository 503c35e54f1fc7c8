-- projection: none: asks the server about itself, not the table
-- How large the table is on disk.
-- Columns: server's version, parts in use, rows, bytes on disk (projections too), uncompressed bytes.
SELECT
    version(),
    count(),
    sum(rows),
    sum(bytes_on_disk),
    sum(data_uncompressed_bytes)
FROM system.parts
WHERE database = currentDatabase() AND table = 'trades_local' AND active
