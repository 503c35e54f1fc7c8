"""/udf/ answers as TradingView's charting library expects of a data feed, and refuses in its form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from collectors.models import Symbol
from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, StartServer
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.nodes import only_at

START = NEW_YEAR // 1000
MINUTE_MS = 60_000


@pytest.fixture
def listed(transactional_db: None) -> None:
    """Contracts as exchangeInfo has them; one with a step of prices that is no power of ten."""
    for name, tick, status in (
        ("BTCUSDT", "0.10", "TRADING"),
        ("ETHBTC", "0.05", "TRADING"),
        ("BTCUSDT_240329", "10", "DELISTED"),
    ):
        Symbol.objects.create(
            name=name,
            onboard_date=datetime(2024, 1, 1, tzinfo=UTC),
            contract_type="PERPETUAL",
            status=status,
            base_asset=name[:3],
            quote_asset=name[3:7],
            tick_size=tick,
            step_size="0.001",
        )


@pytest.fixture
def hour(server: Server, clickhouse: ClickHouse) -> Server:
    """A trade in each minute of the year's first hour but the 30th to the 39th."""
    store(clickhouse, [Row(n, NEW_YEAR + n * MINUTE_MS) for n in range(60) if not 30 <= n < 40])
    return server


def history(server: Server, **params: object) -> Any:
    answer = server.get("/udf/history", **{"symbol": "BTCUSDT", "resolution": "1", **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def opened(server: Server, **params: object) -> list[int]:
    """The minutes of the year at which the bars open."""
    return [(seconds - START) // 60 for seconds in history(server, **params)["t"]]


def test_bars_from_a_time_up_to_and_without_another(hour: Server) -> None:
    assert opened(hour, **{"from": START + 120, "to": START + 300}) == [2, 3, 4]
    assert opened(hour, **{"from": START + 121, "to": START + 301}) == [3, 4, 5]
    # A chart asks for times before 1970 and for the future.
    assert len(opened(hour, **{"from": -10_000_000, "to": START + 10**6})) == 50


def test_a_countback_counts_and_the_start_does_not(hour: Server) -> None:
    late = {"from": START + 41 * 60, "to": START + 42 * 60}
    assert opened(hour, countback=5, **late) == [27, 28, 29, 40, 41]
    assert opened(hour, countback=1, **late) == [41]
    assert len(opened(hour, countback=30_000, **late)) == 32
    # Zero is how the library says that it does not count.
    assert opened(hour, countback=0, **late) == [41]


def test_where_no_bar_is_the_answer_says_where_one_is(hour: Server) -> None:
    gap = {"from": START + 31 * 60, "to": START + 38 * 60}
    assert history(hour, **gap) == {"s": "no_data", "nextTime": START + 29 * 60}
    later = {"from": START + 86_400 * 40, "to": START + 86_400 * 41}
    assert history(hour, **later) == {"s": "no_data", "nextTime": START + 59 * 60}
    assert history(hour, resolution="W", **later) == {"s": "no_data", "nextTime": START}
    assert history(hour, **{"from": START - 1000, "to": START}) == {"s": "no_data"}
    assert history(hour, countback=10, **{"from": 0, "to": START}) == {"s": "no_data"}


def test_a_symbol_is_described_for_the_chart(server: Server, clickhouse: ClickHouse, listed: None) -> None:
    found = server.get("/udf/symbols", symbol="BINANCE:btcusdt").json()
    assert (found["name"], found["ticker"]) == ("BTCUSDT", "BTCUSDT")
    assert found["description"] == "BTC / USDT perpetual"
    assert (found["minmov"], found["pricescale"], found["volume_precision"]) == (1, 10, 3)
    assert (found["session"], found["timezone"], found["expired"]) == ("24x7", "Etc/UTC", False)
    assert {"173", "1D", "1W", "1M"} <= set(found["supported_resolutions"])
    steps = {}
    for name in ("ETHBTC", "BTCUSDT_240329"):
        found = server.get("/udf/symbols", symbol=name).json()
        steps[name] = found["minmov"], found["pricescale"], found["expired"]
    assert steps == {"ETHBTC": (5, 100, False), "BTCUSDT_240329": (10, 1, True)}


def test_a_symbol_that_only_has_trades_is_shown_with_all_digits(
    transactional_db: None, server: Server, clickhouse: ClickHouse
) -> None:
    store(clickhouse, [Row(1, symbol="OLDUSDT")])
    assert server.get("/udf/symbols", symbol="OLDUSDT").json()["pricescale"] == 10**8


def test_symbols_are_found_by_a_part_of_their_name(server: Server, listed: None) -> None:
    def found(**params: object) -> list[str]:
        return [each["symbol"] for each in server.get("/udf/search", **params).json()]

    assert found(query="btc") == ["BTCUSDT", "BTCUSDT_240329", "ETHBTC"]
    assert found(query="btc", limit=2, type="crypto", exchange="BINANCE") == ["BTCUSDT", "BTCUSDT_240329"]
    assert found(query="btc", exchange="NYSE") == found(query="\0") == found(query="x") == []


def test_what_the_library_asks_first(server: Server) -> None:
    config = server.get("/udf/config").json()
    assert config["supports_search"] is True
    assert config["supports_group_request"] is False
    assert server.get("/udf/time").text.isdigit()


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("history?symbol=BTCUSDT&resolution=0&from=0&to=1", 400, "resolution: "),
        ("history?symbol=BTCUSDT&resolution=43201&from=0&to=1", 400, "resolution: "),
        ("history?symbol=BTCUSDT&resolution=2W&from=0&to=1", 400, "resolution: "),
        ("history?symbol=BTCUSDT&from=0&to=1", 400, "resolution: "),
        ("history?resolution=1&from=0&to=1", 400, "symbol: "),
        ("history?symbol=BTCUSDT&resolution=1&to=1", 400, "from: "),
        ("history?symbol=BTCUSDT&resolution=1&from=1", 400, "to: "),
        ("history?symbol=BTCUSDT&resolution=1&from=1.5&to=2", 400, "from: "),
        ("history?symbol=BTCUSDT&resolution=1&from=2&to=1", 400, "from: "),
        ("history?symbol=BTCUSDT&resolution=1&countback=30001&to=1", 400, "countback: "),
        ("history?symbol=NONE&resolution=1&from=0&to=1", 404, "unknown_symbol"),
        ("history?symbol=%00&resolution=1M&countback=3&to=1", 404, "unknown_symbol"),
        ("symbols?symbol=NONE", 404, "unknown_symbol"),
        ("symbols", 400, "symbol: "),
        ("search?query=b&limit=x", 400, "limit: "),
        ("quotes", 404, "There is nothing at /udf/quotes"),
    ],
)
def test_refusals_have_an_honest_status_and_the_librarys_form(
    transactional_db: None, server: Server, clickhouse: ClickHouse, path: str, status: int, named: str
) -> None:
    answer = server.get(f"/udf/{path}")
    assert (answer.status_code, answer.json()["s"]) == (status, "error")
    assert answer.json()["errmsg"].startswith(named)


def test_a_range_with_more_bars_than_one_answer_holds_is_refused(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n * MINUTE_MS) for n in range(30_001)])
    everything = {"symbol": "BTCUSDT", "resolution": "1", "from": START, "to": START + 10**7}
    assert server.get("/udf/history", **everything).json()["errmsg"].startswith("from: the range holds more than 30000")
    everything["from"] = START + 60
    assert len(server.get("/udf/history", **everything).json()["t"]) == 30_000


def test_a_store_that_is_away_and_a_missing_key_are_said_so_too(
    transactional_db: None, start_server: StartServer
) -> None:
    server = start_server(**only_at(1))
    answer = server.get("/udf/history", symbol="BTCUSDT", resolution="1", countback=1, to=START)
    assert (answer.status_code, answer.json()["s"]) == (503, "error")
    assert int(answer.headers["Retry-After"]) > 0
    server = start_server(REQUIRE_API_KEY="true")
    answer = server.get("/udf/config")
    assert (answer.status_code, answer.json()["s"]) == (401, "error")
    answer = requests.post(f"{server.url}/udf/config", timeout=10)
    assert answer.json()["s"] == "error"
