"""GET export/trades and export/candles: every row once, every digit, in each kind of file."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from dataprovider.clickhouse import ClickHouse
from dataprovider.decimals import to_text
from tests.api.conftest import Server
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.export.days import DAY, MINUTE, three_days

TRADES = "/api/v1/export/trades/BTCUSDT"
CANDLES = "/api/v1/export/candles/BTCUSDT"


def lines(server: Server, path: str, **params: object) -> list[str]:
    """The lines of a CSV that must come, without the names."""
    response = server.get(path, **params)
    assert response.status_code == 200, response.text
    names, *rows = response.text.splitlines()
    assert names.startswith(("aggregate_id,price,", "candle_time,open,"))
    return rows


def table(server: Server, path: str, kind: str, **params: object) -> pa.Table:
    response = server.get(path, format=kind, **params)
    assert response.status_code == 200, response.text
    data = io.BytesIO(response.content)
    return pq.read_table(data) if kind == "parquet" else pa.ipc.open_stream(data).read_all()


def as_text(value: Any) -> str:
    """A value of a table as the CSV has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


def table_lines(found: pa.Table) -> list[str]:
    times = [name for name in found.schema.names if pa.types.is_timestamp(found.schema.field(name).type)]
    for name in times:
        at = found.schema.get_field_index(name)
        assert found.schema.field(name).type == pa.timestamp("ms", tz="UTC")
        found = found.set_column(at, name, found[name].cast(pa.int64()))
    return [",".join(map(as_text, row.values())) for row in found.to_pylist()]


def test_trades_are_the_stored_ones_to_the_last_digit(server: Server, clickhouse: ClickHouse) -> None:
    rows = three_days(clickhouse)
    expected = [
        f"{r.aggregate_id},{to_text(r.price)},{to_text(r.quantity)},{r.first},{r.last},{r.time},{str(bool(r.maker)).lower()}"
        for r in rows
    ]
    assert lines(server, TRADES) == expected
    for kind in ("parquet", "arrow"):
        assert table_lines(table(server, TRADES, kind)) == expected


@pytest.mark.parametrize("timeframe", [1, 173, 1440, 2850])
def test_candles_are_those_of_klines_flags_too(server: Server, clickhouse: ClickHouse, timeframe: int) -> None:
    three_days(clickhouse)
    response = server.get("/api/v1/data/klines/BTCUSDT", timeframe=timeframe, start_time=0, limit=30_000)
    klines = response.json(parse_float=Decimal)["data"]
    expected = [",".join(map(as_text, candle.values())) for candle in klines]
    assert len(expected) == {1: 432, 173: 26, 1440: 3, 2850: 2}[timeframe]
    assert lines(server, CANDLES, timeframe=timeframe) == expected
    for kind in ("parquet", "arrow"):
        assert table_lines(table(server, CANDLES, kind, timeframe=timeframe)) == expected


def test_a_candle_between_two_pieces_is_judged_by_both(server: Server, clickhouse: ClickHouse) -> None:
    # A piece is 20,000 candles of a minute: the ids touch across its border, and once they do not.
    store(clickhouse, [Row(n, NEW_YEAR + n * MINUTE) for n in range(40_010) if n not in (3, 39_999)])
    klines = server.data("/api/v1/data/klines/BTCUSDT", start_time=NEW_YEAR + 10 * MINUTE, limit=30_000)
    found = lines(server, CANDLES, start_time=NEW_YEAR + 10 * MINUTE)
    assert [line.endswith(",true,true") for line in found[:29_990]] == [
        candle["complete"] for candle in klines[:29_990]
    ]
    incomplete = [int(line.split(",")[0]) for line in found if not line.endswith(",true,true")]
    assert incomplete == [NEW_YEAR + n * MINUTE for n in (39_998, 40_000, 40_009)]


def test_a_range_of_times_and_one_of_ids(server: Server, clickhouse: ClickHouse) -> None:
    rows = three_days(clickhouse)

    def ids(**params: object) -> list[int]:
        return [int(line.split(",")[0]) for line in lines(server, TRADES, **params)]

    second = {"start_time": NEW_YEAR + DAY, "end_time": NEW_YEAR + 2 * DAY}
    assert ids(**second) == [r.aggregate_id for r in rows if NEW_YEAR + DAY <= r.time <= NEW_YEAR + 2 * DAY]
    assert ids(from_id=1199, to_id=1207) == [1199, 1200, 1206, 1207]
    assert ids(from_id=1434) == [1434, 1435, 1436, 1437]
    assert ids(to_id=1001) == [1000, 1001]
    assert ids(from_id=1285, **second) == [
        r.aggregate_id for r in rows if r.aggregate_id >= 1285 and r.time <= NEW_YEAR + 2 * DAY
    ]
    day = lines(server, CANDLES, timeframe=60, start_time=NEW_YEAR + DAY, end_time=NEW_YEAR + 2 * DAY - 1)
    assert [int(line.split(",")[0]) for line in day] == [NEW_YEAR + DAY + n * 60 * MINUTE for n in range(24)]


@pytest.mark.parametrize("path", [TRADES, CANDLES])
def test_an_empty_range_is_an_empty_file_of_its_kind(server: Server, clickhouse: ClickHouse, path: str) -> None:
    three_days(clickhouse)
    assert lines(server, path, start_time=1, end_time=2) == []
    for kind in ("parquet", "arrow"):
        found = table(server, path, kind, start_time=1, end_time=2)
        assert found.num_rows == 0
        assert len(found.schema.names) in (7, 13)


def test_the_file_has_a_name_and_a_type(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(1)])
    for kind, content_type in (
        ("csv", "text/csv; charset=utf-8"),
        ("parquet", "application/vnd.apache.parquet"),
        ("arrow", "application/vnd.apache.arrow.stream"),
    ):
        headers = server.get("/api/v1/export/candles/btcusdt", format=kind, timeframe=173).headers
        assert headers["Content-Type"] == content_type
        assert headers["Content-Disposition"] == f'attachment; filename="BTCUSDT-173m.{kind}"'


@pytest.mark.parametrize(
    ("path", "params", "named"),
    [
        (TRADES, {"format": "xlsx"}, "format: "),
        (TRADES, {"from_id": "x"}, "from_id: "),
        (TRADES, {"from_id": 2, "to_id": 1}, "from_id: "),
        (TRADES, {"start_time": 2, "end_time": 1}, "start_time: "),
        (CANDLES, {"start_time": 2, "end_time": 1}, "start_time: "),
        (CANDLES, {"timeframe": 43_201}, "timeframe: "),
    ],
)
def test_a_wrong_parameter_is_400_and_named(server: Server, path: str, params: dict[str, object], named: str) -> None:
    status, error, message = server.refusal(path, **params)
    assert (status, error) == (400, "INVALID_PARAMETER")
    assert message.startswith(named)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["trades", "candles"])
def test_an_unknown_symbol_is_404(server: Server, path: str) -> None:
    assert server.refusal(f"/api/v1/export/{path}/NONE")[:2] == (404, "UNKNOWN_SYMBOL")
