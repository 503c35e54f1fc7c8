-- The original's table, as its README gives it ("Create Database and Tables"); only the database's name is left out.
CREATE TABLE IF NOT EXISTS trades_local
(
    symbol LowCardinality(String),
    aggregate_id UInt64,
    price Float64 CODEC(DoubleDelta, ZSTD(1)),
    quantity Float64 CODEC(DoubleDelta, ZSTD(1)),
    first_trade_id UInt64,
    last_trade_id UInt64,
    timestamp DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    is_buyer_maker UInt8,
    insert_time DateTime DEFAULT now() CODEC(ZSTD(1)),

    PROJECTION agg_id_projection (
        SELECT symbol, max(aggregate_id) AS max_agg_id
        GROUP BY symbol
    ),

    PROJECTION ohlcv_1m_projection (
        SELECT
            symbol,
            toStartOfMinute(timestamp) AS candle_time,
            argMin(price, timestamp) AS open,
            max(price) AS high,
            min(price) AS low,
            argMax(price, timestamp) AS close,
            sum(quantity) AS volume,
            count() AS trades_count
        GROUP BY symbol, candle_time
    )
)
ENGINE = MergeTree
PARTITION BY (toYYYYMM(timestamp), cityHash64(symbol) % 16)
ORDER BY (symbol, timestamp, aggregate_id)
SETTINGS index_granularity = 8192
