-- projection: none: distinct trades can only be counted from the rows
-- For each of `symbols`: how many rows have an id in [firsts[i], lasts[i]], how many different ids and trades those are.
-- Columns: symbol, rows, different ids, different (aggregate id, first trade id).
SELECT
    symbol,
    count(),
    uniqExact(aggregate_id),
    uniqExact(aggregate_id, first_trade_id)
FROM {trades:Identifier}
WHERE symbol IN {symbols:Array(String)}
    AND aggregate_id >= {firsts:Array(UInt64)}[indexOf({symbols:Array(String)}, toString(symbol))]
    AND aggregate_id <= {lasts:Array(UInt64)}[indexOf({symbols:Array(String)}, toString(symbol))]
GROUP BY symbol
