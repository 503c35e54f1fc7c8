-- Parameters: shard, epoch, held (2^62). Compared here, where nobody can come in between: an order that arrives late must not
-- lower it. A shard that was closed for a move (held + epoch of who closed it) is opened again by a later epoch.
INSERT INTO shard_epochs
SELECT {shard:UInt8}, {epoch:UInt64}
WHERE joinGet('shard_epochs', 'epoch', {shard:UInt8}) < {epoch:UInt64}
    OR (
        joinGet('shard_epochs', 'epoch', {shard:UInt8}) >= {held:UInt64}
        AND joinGet('shard_epochs', 'epoch', {shard:UInt8}) < {held:UInt64} + {epoch:UInt64}
    )
