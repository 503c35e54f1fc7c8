-- Parameters: month, shard.
ALTER TABLE trades_local MOVE PARTITION tuple({month:UInt32}, {shard:UInt8}) TO TABLE trades_moved
