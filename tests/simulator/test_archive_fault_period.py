"""The archive fault can be told to hit only daily or only monthly archives."""

from __future__ import annotations

from collections.abc import Callable

from tests.fixtures_exchange import RunningExchange
from tests.simulator.test_archives import day, path_of

Start = Callable[..., RunningExchange]


def test_one_period_is_hit_and_the_other_is_as_it_was(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=0.02, history_days=62, archive_delay_hours=-1)
    month = day(31)[:7]
    daily, monthly = path_of("BTCUSDT", f"{month}-15"), path_of("BTCUSDT", month, "monthly")

    def statuses() -> list[int]:
        return [exchange.response(path).status_code for path in (daily, monthly)]

    assert statuses() == [200, 200]
    for period, expected in ({"period": "daily"}, [404, 200]), ({"period": "monthly"}, [200, 404]), ({}, [404, 404]):
        exchange.fault("archive", kind="missing", symbol="BTCUSDT", **period)
        assert statuses() == expected
        exchange.delete("/simulator/faults")
    assert statuses() == [200, 200]
    answer = exchange.post_response("/simulator/faults", {"fault": "archive", "kind": "late", "period": "weekly"})
    assert answer.status_code == 400
    assert "period" in answer.json()["error"]
