-- The same trades as in the product's table, which is in the database of this name.
INSERT INTO trades_local
(symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker)
SELECT symbol, aggregate_id, toFloat64(price), toFloat64(quantity), first_trade_id, last_trade_id, timestamp, is_buyer_maker
FROM {database:Identifier}.trades_local
