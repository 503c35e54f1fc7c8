-- Parameters: table. What arrives is on disk when the server says so, since the other copy is deleted soon after.
ALTER TABLE {table:Identifier}
MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1
