-- projection: none: it reads no table
-- The shard of each of `symbols`, by the server's own hash: dataprovider.clickhouse.shards must agree with it.
-- Columns: symbol, shard.
SELECT
    arrayJoin({symbols:Array(String)}) AS symbol,
    cityHash64(symbol) % 16
