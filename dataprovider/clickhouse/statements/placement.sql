-- One row, none on a server that was always alone. Columns: version, nodes, moving.
SELECT version, nodes, moving FROM placement ORDER BY version DESC LIMIT 1
