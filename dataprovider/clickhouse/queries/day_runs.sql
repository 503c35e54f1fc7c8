-- projection: none: reads the rows of a day whose ids are not one whole range
-- The trades of `symbol` with a time in [since, until) (seconds) as runs of following ids, ascending. The fingerprint is
-- that of agg_id_projection.
-- Columns: first id, last id, rows, fingerprint.
SELECT
    min(id),
    max(id),
    sum(id_rows),
    sumWithOverflow(id_fingerprint)
FROM
(
    SELECT id, id_rows, id_fingerprint, id - row_number() OVER (ORDER BY id) AS run
    FROM
    (
        SELECT
            aggregate_id AS id,
            count() AS id_rows,
            sumWithOverflow(cityHash64(
                symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker
            )) AS id_fingerprint
        FROM trades_local
        WHERE symbol = {symbol:String}
            AND timestamp >= toDateTime64({since:UInt32}, 3, 'UTC')
            AND timestamp < toDateTime64({until:UInt32}, 3, 'UTC')
        GROUP BY id
    )
)
GROUP BY run
ORDER BY min(id)
