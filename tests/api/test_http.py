"""HEAD, OPTIONS and compression, as any HTTP client expects them."""

from __future__ import annotations

import pytest
import requests
from django.utils import timezone

from dataprovider.clickhouse import ClickHouse
from integrity.models import IntegrityRun
from tests.api.conftest import Server
from tests.clickhouse.trades import NEW_YEAR, Row, store

LATEST = "/api/v1/data/trades/BTCUSDT/latest"
SUMMARY = "/api/v1/integrity/summary"


def ask(server: Server, method: str, path: str = LATEST, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, server.url + path, headers=named, timeout=10, allow_redirects=False)


def test_head_is_get_without_the_body(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(1)])
    answer = ask(server, "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Content-Length"]) > 100
    assert ask(server, "HEAD", "/api/v1/data/klines/BTCUSDT?limit=0").status_code == 400


@pytest.mark.parametrize(
    ("path", "possible"),
    [(LATEST, "GET, HEAD"), ("/api/v1/tickers/X/pause", "POST"), ("/api/v1/export/trades/BTCUSDT", "GET")],
)
def test_options_says_what_is_possible(server: Server, path: str, possible: str) -> None:
    answer = ask(server, "OPTIONS", path)
    assert (answer.status_code, answer.content, answer.headers["Allow"]) == (204, b"", possible)


def test_large_answers_are_compressed_for_who_can_read_that(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(number, NEW_YEAR + number) for number in range(1000)])
    path = f"{LATEST}?limit=1000"
    packed, plain = (ask(server, "GET", path, Accept_Encoding=how) for how in ("br;q=1.0, gzip;q=0.8", "gzip;q=0, br"))
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Content-Encoding" not in plain.headers
    assert packed.json()["data"] == plain.json()["data"]
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 4
    assert "Content-Encoding" not in ask(server, "GET", f"{LATEST}?limit=1", Accept_Encoding="gzip").headers


def test_a_path_without_its_slash_is_answered_at_once(server: Server) -> None:
    assert ask(server, "GET", "/api/v1/tickers").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_empty_summary_says_why(server: Server) -> None:
    def message() -> str:
        return str(server.get(SUMMARY).json()["message"])

    assert "has not begun" in message()
    run = IntegrityRun.objects.create(started_at=timezone.now())
    assert "under way" in message()
    IntegrityRun.objects.filter(pk=run.pk).update(finished_at=timezone.now())
    assert "nothing was stored" in message()
