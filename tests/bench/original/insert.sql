-- Rows follow as tuples, as clickhouse-driver (which the original names for the native protocol) takes them.
INSERT INTO trades_local
(symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker) VALUES
