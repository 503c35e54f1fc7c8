"""The measurement of demo's frame_to_client_ms."""

from __future__ import annotations

from dataprovider.running.latency import UPDATE, delays


def test_a_trade_has_come_with_the_first_candle_that_goes_up_to_it() -> None:
    sent = [(1, 2, 100.0), (3, 3, 110.0), (4, 6, 120.0)]
    # The candle that was closed late ends before the newest one; 6 never came.
    arrived = [(2, 130.0), (5, 150.0), (4, 160.0)]
    assert list(delays(sent, arrived)) == [30.0, 30.0, 40.0, 30.0, 30.0]


def test_an_update_is_found_among_other_frames() -> None:
    text = b'x{"type":"ohlcv_update","symbol":"BTCUSDT","timeframe":"173m","data":{},"correction":false,"last_id":7,"da'
    (match,) = UPDATE.finditer(b'{"type":"pong"}' + text)
    assert match.groups() == (b"BTCUSDT", b"7")
