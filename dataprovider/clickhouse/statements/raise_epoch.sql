-- Parameters: shard, epoch. Compared here, where nobody can come in between: an order that arrives late must not lower it.
INSERT INTO shard_epochs SELECT {shard:UInt8}, {epoch:UInt64} WHERE joinGet('shard_epochs', 'epoch', {shard:UInt8}) < {epoch:UInt64}
