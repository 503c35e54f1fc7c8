"""What becomes of the exchange's frames: exact trades, or a dead letter with its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collectors.binance.frames import decode
from dataprovider.decimals import to_text
from tests.shared_data import SHARED_DATA, needs_shared_data

TRADE: dict[str, Any] = {
    "e": "aggTrade",
    "E": 1791382992488,
    "a": 3477868433,
    "s": "BTCUSDT",
    "p": "83091.70",
    "q": "0.022",
    "nq": "0.022",
    "f": 8153634393,
    "l": 8153634394,
    "T": 1791382992338,
    "m": False,
    "st": 1,
}


def encoded(**changes: Any) -> bytes:
    fields = {key: value for key, value in {**TRADE, **changes}.items() if value is not ...}
    return json.dumps({"stream": "btcusdt@aggTrade", "data": fields}).encode()


def test_a_trade_becomes_exact_integers() -> None:
    decoded = decode([encoded()], {"BTCUSDT"})
    assert decoded.rejected == []
    assert tuple(decoded.trades[0]) == (
        "BTCUSDT",
        3477868433,
        8_309_170_000_000,
        2_200_000,
        8153634393,
        8153634394,
        1791382992338,
        False,
        1791382992488,
    )


def test_old_frames_without_the_new_fields_and_frames_with_unknown_ones_are_fine() -> None:
    frames = [encoded(nq=..., st=...), encoded(a=3477868434, brand_new={"deep": [1]}), json.dumps(TRADE).encode()]
    assert len(decode(frames, {"BTCUSDT"}).trades) == 3


def test_symbols_beyond_ascii_are_read() -> None:
    frame = json.dumps({**TRADE, "s": "币安人生USDT"}, ensure_ascii=False)
    assert decode([frame.encode()], {"币安人生USDT"}).trades[0].symbol == "币安人生USDT"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b'{"stream":"btcusdt@aggTra', "not JSON"),
        (b"[1,2]", "not a trade"),
        (b'"text"', "not a trade"),
        (b"null", "not a trade"),
        (encoded(e="depthUpdate"), "unexpected event"),
        (encoded(a=...), "field 'a' is missing"),
        (encoded(a="3477868433"), "a field of the wrong type"),
        (encoded(a=True), "a field of the wrong type"),
        (encoded(m=1), "a field of the wrong type"),
        (encoded(T=1.5), "a field of the wrong type"),
        (encoded(p=83091.7), "not a trade"),
        (encoded(p="NaN"), "not an exact decimal"),
        (encoded(p="1e5"), "not an exact decimal"),
        (encoded(q="0.123456789"), "not an exact decimal"),
        (encoded(p="99999999999999"), "not an exact decimal"),
        (encoded(p="0"), "absurd price or quantity"),
        (encoded(s="NOSUCHUSDT"), "unknown symbol"),
        (encoded(s=["BTCUSDT"]), "a field of the wrong type"),
        (encoded(a=-1), "absurd ids"),
        (encoded(a=10**18), "absurd ids"),
        (encoded(l=8153634392), "absurd ids"),
        (encoded(T=1791382992338000), "absurd time"),
        (encoded(T=1691382992338), "absurd time"),
        (encoded(T=4102444800000, E=4102444800000), "absurd time"),
    ],
)
def test_one_bad_frame_is_set_aside_and_the_rest_goes_on(frame: bytes, reason: str) -> None:
    decoded = decode([encoded(), frame, encoded(a=3477868434)], {"BTCUSDT"})
    assert [each.aggregate_id for each in decoded.trades] == [3477868433, 3477868434]
    assert decoded.rejected == [(reason, frame)]


def test_two_objects_smuggled_into_one_frame_do_not_shift_the_others() -> None:
    frame = encoded() + b"," + encoded()
    decoded = decode([frame, encoded(a=3477868434)], {"BTCUSDT"})
    assert decoded.rejected == [("not JSON", frame)]
    assert [each.aggregate_id for each in decoded.trades] == [3477868434]


def test_a_quantity_of_zero_is_a_trade() -> None:
    """BTCUSDT had some on 2023-03-21."""
    assert decode([encoded(q="0.000")], {"BTCUSDT"}).trades[0].quantity == 0


def test_answers_to_requests_are_told_apart_from_trades() -> None:
    answers = [b'{"result":null,"id":1}', b'{"error":{"code":4,"msg":"Too many subscriptions"},"id":2}']
    decoded = decode([answers[0], encoded(), answers[1]], {"BTCUSDT"})
    assert [answer["id"] for answer in decoded.answers] == [1, 2]
    assert len(decoded.trades) == 1


@needs_shared_data
def test_every_real_frame_is_read_as_it_was_written() -> None:
    count = 0
    for path in sorted((SHARED_DATA / "ws").glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            message = json.loads(line)
            data = message.get("data", message)
            if data["e"] != "aggTrade":
                continue
            (got,) = decode([line], {data["s"]}).trades
            count += 1
            assert (got.aggregate_id, got.first_trade_id, got.last_trade_id) == (data["a"], data["f"], data["l"])
            assert (got.timestamp, got.event_time, got.is_buyer_maker) == (data["T"], data["E"], data["m"])
            for exact, text in ((got.price, data["p"]), (got.quantity, data["q"])):
                assert to_text(exact) == (text.rstrip("0").rstrip(".") if "." in text else text)
    assert count > 400
