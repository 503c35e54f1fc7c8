-- The trades of all nodes. Only where there are several; the servers' configuration names them (cluster `dataprovider`).
CREATE TABLE IF NOT EXISTS trades
(
    symbol LowCardinality(String),
    aggregate_id UInt64,
    price Decimal64(8),
    quantity Decimal64(8),
    first_trade_id UInt64,
    last_trade_id UInt64,
    timestamp DateTime64(3, 'UTC'),
    is_buyer_maker UInt8,
    insert_time DateTime
)
ENGINE = Distributed('dataprovider', currentDatabase(), 'trades_local', cityHash64(symbol) % 16)
