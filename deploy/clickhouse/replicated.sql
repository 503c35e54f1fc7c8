-- The trades on replicas: dataprovider/clickhouse/migrations/0001_trades_local.sql with another engine and other windows
-- of deduplication. README.md says when and where it is run.
CREATE TABLE IF NOT EXISTS trades_local
(
    symbol LowCardinality(String),
    aggregate_id UInt64 CODEC(DoubleDelta, ZSTD(1)),
    price Decimal64(8) CODEC(GCD, T64, ZSTD(1)),
    quantity Decimal64(8) CODEC(GCD, T64, ZSTD(1)),
    first_trade_id UInt64 CODEC(DoubleDelta, ZSTD(1)),
    last_trade_id UInt64 CODEC(DoubleDelta, ZSTD(1)),
    timestamp DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    is_buyer_maker UInt8 CODEC(T64, ZSTD(1)),
    insert_time DateTime DEFAULT now() CODEC(Delta, ZSTD(1)),

    PROJECTION ohlcv_1m_projection
    (
        SELECT
            symbol,
            toStartOfMinute(timestamp),
            argMin(price, aggregate_id),
            argMax(price, aggregate_id),
            max(price),
            min(price),
            sum(quantity),
            sum(toDecimal128(price, 8) * quantity),
            sumIf(quantity, is_buyer_maker = 0),
            sumIf(toDecimal128(price, 8) * quantity, is_buyer_maker = 0),
            count(),
            sum(last_trade_id - first_trade_id + 1),
            min(aggregate_id),
            max(aggregate_id),
            sum(aggregate_id)
        GROUP BY symbol, toStartOfMinute(timestamp)
    ),

    PROJECTION agg_id_projection
    (
        SELECT
            symbol,
            toStartOfDay(timestamp),
            count(),
            min(aggregate_id),
            max(aggregate_id),
            sum(aggregate_id),
            sumWithOverflow(cityHash64(
                symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
            ))
        GROUP BY symbol, toStartOfDay(timestamp)
    )
)
ENGINE = ReplicatedMergeTree('/clickhouse/{shard}/{database}/trades_local', '{replica}')
PARTITION BY (toYYYYMM(timestamp), cityHash64(symbol) % 16)
ORDER BY (symbol, timestamp, aggregate_id)
SETTINGS
    replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800,
    deduplicate_merge_projection_mode = 'rebuild',
    lightweight_mutation_projection_mode = 'rebuild';
