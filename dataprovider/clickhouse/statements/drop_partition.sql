-- Parameters: table, month, shard. Of a table of a move, or of trades_local where nobody reads the shard yet.
ALTER TABLE {table:Identifier} DROP PARTITION tuple({month:UInt32}, {shard:UInt8}) SETTINGS max_partition_size_to_drop = 0
