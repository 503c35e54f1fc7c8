"""Which conditions hold, and one message when an incident begins and one when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dataprovider.heartbeat import HostStatus, WorkerStatus
from integrity.alerts.book import IncidentBook
from integrity.alerts.facts import Facts, OldGaps
from integrity.alerts.rules import Rules, conditions, listings, unknowable

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOST = HostStatus("alpha:1:a", 1, 2, 16, 300, 0, postgres_away=False, updated_ms=1)
WORKERS = [WorkerStatus("alpha:1:a", number, 7 + number, [number], lag_ms=20.0) for number in (0, 1)]
FINE = Facts(hosts=[HOST], workers=WORKERS, ban_ms=0, contracts={"BTCUSDT": "TRADING"}, disk_free_percent=50.0)


def test_all_is_well() -> None:
    assert conditions(FINE, Rules(), NOW) == {}


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"away": {"ClickHouse": "refused"}}, "service ClickHouse", "does not answer: refused"),
        ({"workers": WORKERS[:1]}, "worker alpha", "Only 1 of 2 workers on alpha"),
        ({"bereaved": frozenset({"alpha"})}, "worker alpha", "ended and was replaced"),
        ({"hosts": [], "workers": []}, "host none", "No collector runs"),
        ({"hosts": [replace(HOST, problem="No list.")]}, "host alpha", "alpha: No list."),
        ({"workers": [replace(WORKERS[0], lag_ms=11_000.0), WORKERS[1]]}, "lag", "11 s after"),
        ({"ban_ms": 90_000}, "ban", "for 90 s more"),
        (
            {"old_gaps": OldGaps(3, 1200, "BTCUSDT", NOW - timedelta(minutes=20))},
            "gaps",
            "3 gaps (1,200 trades) not closed after 15 min; the oldest, of BTCUSDT, is 20 min old",
        ),
        ({"disk_free_percent": 9.9}, "disk", "Only 9.9 % of the disk are free (the limit is 10 %)"),
    ],
)
def test_each_condition_has_its_key_and_its_sentence(change: dict[str, object], key: str, words: str) -> None:
    found = conditions(replace(FINE, **change), Rules(), NOW)  # type: ignore[arg-type]
    assert list(found) == [key]
    assert words in found[key]


def test_limits_are_the_rules() -> None:
    close = replace(FINE, disk_free_percent=10.0, workers=[replace(each, lag_ms=10_000.0) for each in WORKERS])
    assert conditions(close, Rules(), NOW) == {}
    assert set(conditions(close, Rules(lag_seconds=9, disk_percent=11), NOW)) == {"lag", "disk"}


def test_what_nobody_can_know_is_neither_begun_nor_over() -> None:
    blind = Facts(away={"Valkey": "x", "Postgres": "y"}, hosts=None, contracts=None)
    for key in ("worker alpha", "host alpha", "lag", "ban", "gaps"):
        assert unknowable(key, blind)
        assert not unknowable(key, FINE)
    assert not unknowable("service Valkey", blind)


def test_listings_and_delistings_are_told_together() -> None:
    before = {"A": "TRADING", "B": "TRADING", "OLD": "DELISTED"}
    after = {"A": "TRADING", "B": "DELISTED", "OLD": "DELISTED", "C": "PENDING_TRADING", "D": "DELISTED"}
    assert listings(before, after) == "Listed: C. Delisted: B."
    assert listings(before, before) == ""


def tell(book: IncidentBook, now: float, *keys: str, blind: bool = False) -> list[tuple[str, str]]:
    found = book.look({key: f"{key} is wrong" for key in keys}, now, lambda _: blind)
    return [(message.state, message.key) for message in found]


def test_an_incident_is_told_once_and_its_end_once() -> None:
    book = IncidentBook(patience=15)
    assert tell(book, 0, "lag") == []
    assert tell(book, 14, "lag") == []
    assert tell(book, 15, "lag") == [("firing", "lag")]
    assert [tell(book, now, "lag") for now in (16, 60, 3600)] == [[], [], []]
    assert tell(book, 3601) == []
    assert tell(book, 3617) == [("resolved", "lag")]
    assert tell(book, 3700) == []


def test_what_comes_and_goes_quickly_is_not_told() -> None:
    book = IncidentBook(patience=15)
    for now in range(0, 100, 5):
        assert tell(book, now, *(["lag"] if now % 10 else [])) == []
    assert tell(book, 100) == []
    # Told once; short pauses are no end.
    assert tell(book, 200, "lag") == []
    assert tell(book, 215, "lag") == [("firing", "lag")]
    for now in range(216, 300, 5):
        assert tell(book, now, *(["lag"] if now % 10 == 1 else [])) == []


def test_while_nobody_can_know_an_incident_is_not_over() -> None:
    book = IncidentBook(patience=15)
    tell(book, 0, "lag")
    tell(book, 15, "lag")
    assert tell(book, 100, blind=True) == []
    assert tell(book, 200, blind=True) == []
    assert tell(book, 201) == []
    assert tell(book, 216) == [("resolved", "lag")]


def test_what_was_told_before_a_restart_is_not_told_again() -> None:
    book = IncidentBook(patience=15)
    book.restore({"lag": "late"})
    assert tell(book, 1000, "lag") == []
    assert tell(book, 1001) == []
    assert tell(book, 1016) == [("resolved", "lag")]
