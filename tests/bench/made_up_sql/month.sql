INSERT INTO trades_local
(symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker)
SELECT
    '{symbol}',
    number,
    reinterpret(toInt64(6000000 + 200000 * sin(number / 900000) + cityHash64(number) % 100) * 1000000, 'Decimal64(8)'),
    reinterpret(toInt64(1 + cityHash64(number, 1) % 5000) * 100000, 'Decimal64(8)'),
    2 * number,
    2 * number + cityHash64(number, 2) % 2,
    fromUnixTimestamp64Milli(toInt64(1709251200000 + intDiv(toUInt64(number) * 2678399999, {whole})), 'UTC'),
    cityHash64(number, 3) % 2
FROM numbers({first}, {rows})
SETTINGS max_insert_threads = 2, max_threads = 2
