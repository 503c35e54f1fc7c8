-- projection: agg_id_projection, ohlcv_1m_projection
-- The first `limit` trades of `symbol` with an aggregate id of at least `from_id`, ascending by id. Rows lie in order of time, so
-- the days and then the minutes that hold them are found in the projections: from the first that reaches `from_id` on,
-- until those after it hold `limit` rows.
-- Columns: aggregate id, price, quantity (counts of 10^-8), first trade id, last trade id, time (ms), is buyer maker (0 or 1).
SELECT
    aggregate_id,
    reinterpret(price, 'Int64'),
    reinterpret(quantity, 'Int64'),
    first_trade_id,
    last_trade_id,
    toUnixTimestamp64Milli(timestamp),
    is_buyer_maker
FROM trades_local
WHERE symbol = {symbol:String}
    AND aggregate_id >= {from_id:UInt64}
    AND toStartOfMinute(timestamp) IN
    (
        SELECT minute FROM
        (
            SELECT
                minute,
                sum(found) OVER (ORDER BY minute) AS total,
                first_value(found) OVER (ORDER BY minute) AS first_found,
                found
            FROM
            (
                SELECT toStartOfMinute(timestamp) AS minute, count() AS found
                FROM trades_local
                WHERE symbol = {symbol:String}
                    AND toStartOfDay(toStartOfMinute(timestamp)) IN
                    (
                        SELECT day FROM
                        (
                            SELECT
                                day,
                                sum(found) OVER (ORDER BY day) AS total,
                                first_value(found) OVER (ORDER BY day) AS first_found,
                                found
                            FROM
                            (
                                SELECT toStartOfDay(timestamp) AS day, count() AS found
                                FROM trades_local
                                WHERE symbol = {symbol:String}
                                GROUP BY symbol, day
                                HAVING max(aggregate_id) >= {from_id:UInt64}
                            )
                        )
                        WHERE total < first_found + found + {limit:UInt32}
                    )
                GROUP BY symbol, minute
                HAVING max(aggregate_id) >= {from_id:UInt64}
            )
        )
        WHERE total < first_found + found + {limit:UInt32}
    )
ORDER BY aggregate_id, first_trade_id
LIMIT {limit:UInt32}
