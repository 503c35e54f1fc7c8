INSERT INTO trades_local
(symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker)
SELECT
    if(intDiv(number, {rows}) >= {symbols}, '{busy}', concat('N', toString(intDiv(number, {rows})), 'USDT')) AS symbol,
    if(symbol = '{busy}', number - {rows} * {symbols}, number % {rows}) + 1 AS id,
    reinterpret(toInt64(6000000 + cityHash64(number) % 100) * 1000000, 'Decimal64(8)'),
    reinterpret(toInt64(1 + cityHash64(number, 1) % 5000) * 100000, 'Decimal64(8)'),
    2 * id,
    2 * id + cityHash64(number, 2) % 2,
    fromUnixTimestamp64Milli(
        toInt64(1709251200000 + intDiv((id - 1) * 2678400000, if(symbol = '{busy}', {rows} * {symbols}, {rows}))), 'UTC'
    ),
    cityHash64(number, 3) % 2
FROM numbers(toUInt64({symbols}) * {rows} * 2)
WHERE cityHash64(symbol) % 16 IN ({shards})
SETTINGS max_insert_threads = 2, max_threads = 2
