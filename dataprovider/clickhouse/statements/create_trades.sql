-- Parameters: nodes, the number of the node of each shard. The trades of all nodes, for reads over many symbols. Only where there
-- are several; the servers' configuration names them (cluster `dataprovider`), and each reads where the placement says.
CREATE OR REPLACE TABLE trades
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
ENGINE = Distributed(
    'dataprovider', currentDatabase(), 'trades_local', {nodes:Array(UInt8)}[cityHash64(symbol) % 16 + 1]
)
