-- Parameters: shard. One row: its epoch, 0 when it has none.
SELECT joinGet('shard_epochs', 'epoch', {shard:UInt8})
