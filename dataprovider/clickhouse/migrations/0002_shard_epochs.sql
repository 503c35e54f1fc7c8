-- The fence: an insert for a shard names its epoch, and is refused when a higher one stands here.
CREATE TABLE IF NOT EXISTS shard_epochs
(
    shard UInt8,
    epoch UInt64
)
ENGINE = Join(ANY, LEFT, shard)
SETTINGS join_any_take_last_row = 1, persistent = 1;
