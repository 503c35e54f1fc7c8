-- projection: none: asks the server about its parts, not the table
-- The parts of trades_local's partitions of one `shard` that are in use, by projection: one that is not built in all of
-- them is not used for the others.
-- Columns: projection, parts in all, of them with it, its rows, its bytes on disk.
SELECT
    projection,
    (
        SELECT count() FROM system.parts
        WHERE database = currentDatabase() AND table = 'trades_local' AND active
            AND endsWith(partition, concat(',', toString({shard:UInt8}), ')'))
    ),
    countIf(part != ''),
    sum(part_rows),
    sum(part_bytes)
FROM
(
    SELECT name AS projection, '' AS part, 0 AS part_rows, 0 AS part_bytes
    FROM system.projections
    WHERE database = currentDatabase() AND table = 'trades_local'
    UNION ALL
    SELECT name, parent_name, rows, bytes_on_disk
    FROM system.projection_parts
    WHERE database = currentDatabase() AND table = 'trades_local' AND active
        AND endsWith(partition, concat(',', toString({shard:UInt8}), ')'))
)
GROUP BY projection
ORDER BY projection
