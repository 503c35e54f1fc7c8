-- Parameters: shard, before, after. Only if it stands at `before`.
INSERT INTO shard_epochs
SELECT {shard:UInt8}, {after:UInt64} WHERE joinGet('shard_epochs', 'epoch', {shard:UInt8}) = {before:UInt64}
