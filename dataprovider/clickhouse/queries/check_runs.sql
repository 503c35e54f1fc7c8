-- projection: none: reads the rows of minutes whose ids are not one whole range
-- Which ids of `symbol` are stored in `minutes` (seconds), as runs of following ids that have as many rows and as many
-- different trades each, ascending.
-- Columns: first id, last id, rows of each id, different trades of each id.
SELECT
    min(id),
    max(id),
    id_rows,
    id_trades
FROM
(
    SELECT
        id,
        id_rows,
        id_trades,
        id - row_number() OVER (PARTITION BY id_rows, id_trades ORDER BY id) AS run
    FROM
    (
        SELECT aggregate_id AS id, count() AS id_rows, uniqExact(first_trade_id) AS id_trades
        FROM trades_local
        WHERE symbol = {symbol:String}
            AND toStartOfMinute(timestamp) IN (SELECT toDateTime(arrayJoin({minutes:Array(UInt32)}), 'UTC'))
        GROUP BY id
    )
)
GROUP BY id_rows, id_trades, run
ORDER BY min(id)
