-- Parameters: shard, epoch.
INSERT INTO shard_epochs SELECT {shard:UInt8}, {epoch:UInt64}
