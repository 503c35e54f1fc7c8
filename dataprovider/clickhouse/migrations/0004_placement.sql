-- Which node each shard lives on, where there are several: the row with the highest version holds, and every node has it.
-- `nodes` has a number (from 0, in the order of CLICKHOUSE_NODES) for each shard. `moving` is empty, or has the shard whose
-- trades change their node at this moment, the node it leaves and the one that gets it.
CREATE TABLE IF NOT EXISTS placement
(
    version UInt64,
    nodes Array(UInt8),
    moving Array(UInt8),
    recorded_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY version;
