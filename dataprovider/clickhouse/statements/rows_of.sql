-- Parameters: table. One row: how many rows are in it, 0 when it is not there.
SELECT toUInt64(sum(rows)) FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND active
