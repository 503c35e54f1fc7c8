-- Parameters: month, shard.
ALTER TABLE trades_arriving MOVE PARTITION tuple({month:UInt32}, {shard:UInt8}) TO TABLE trades_local
