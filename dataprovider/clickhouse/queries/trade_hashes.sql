-- projection: none: compares whole rows
-- The trades of `symbol` with a time in [since, until) (seconds) and an id in [first_id, last_id], told by their hashes.
-- Columns: aggregate id, first trade id, hash of the row as agg_id_projection sums it up, rows that are the same.
SELECT
    aggregate_id,
    first_trade_id,
    cityHash64(
        symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
    ) AS row_hash,
    count()
FROM trades_local
WHERE symbol = {symbol:String}
    AND timestamp >= toDateTime64({since:UInt32}, 3, 'UTC')
    AND timestamp < toDateTime64({until:UInt32}, 3, 'UTC')
    AND aggregate_id BETWEEN {first_id:UInt64} AND {last_id:UInt64}
GROUP BY aggregate_id, first_trade_id, row_hash
