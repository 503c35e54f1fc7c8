"""Which conditions hold, and one message when an incident begins and one when it is over."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from dataprovider.config import Config
from dataprovider.heartbeat import HostStatus, WorkerStatus
from integrity.alerts.book import IncidentBook
from integrity.alerts.facts import Facts
from integrity.alerts.ledger import Known, OldGaps
from integrity.alerts.rules import (
    INCIDENTS,
    NEWS,
    Rules,
    conditions,
    listings,
    started,
    stopped,
    summary,
    trial,
    unknowable,
)

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOST = HostStatus("alpha:1:a", 1, 2, 16, 300, 0, postgres_away=False, updated_ms=1)
WORKERS = [
    WorkerStatus("alpha:1:a", number, 7 + number, [number], symbols=150, subscribed=150, lag_ms=20.0)
    for number in (0, 1)
]
KNOWN = Known(on_duty=True, incidents={}, contracts={"BTCUSDT": "TRADING"})
FINE = Facts(hosts=[HOST], workers=WORKERS, known=KNOWN, disk_free_percent=50.0)
UNREADABLE = (
    "The list of contracts could not be read, trying again in 30 s: The exchange at https://fapi.binance.com answered "
    "503: it has trouble. Try again later."
)

#: What makes each condition: a change of the facts, its key, and its sentence, as it stands in docs/ALERTS.md.
CAUSES: list[tuple[dict[str, object], str, str]] = [
    (
        {"away": {"Valkey": "Error 111 connecting to 127.0.0.1:6379. Connection refused."}},
        "service Valkey",
        "Valkey does not answer: Error 111 connecting to 127.0.0.1:6379. Connection refused.",
    ),
    ({"workers": WORKERS[:1]}, "worker alpha", "Only 1 of 2 workers on alpha give a sign of life."),
    (
        {"bereaved": frozenset({"alpha"})},
        "worker alpha",
        "A worker on alpha ended and was replaced; what it had in memory is fetched.",
    ),
    (
        {"moving": 10},
        "move",
        "Shard 10 is between two ClickHouse nodes, and is not collected: `manage.py rebalance` was interrupted, run it "
        "again.",
    ),
    ({"hosts": [], "workers": []}, "collectors", "No collector runs: nothing is being collected."),
    (
        {"known": replace(KNOWN, stale_owners=("beta:7:b", "alpha:1:a"))},
        "lost beta",
        "The collectors on beta ended without being stopped, or hang: start them again.",
    ),
    ({"hosts": [replace(HOST, problem=UNREADABLE)]}, "host alpha", f"alpha: {UNREADABLE}"),
    (
        {"workers": [replace(WORKERS[0], subscribed=0), WORKERS[1]]},
        "streams",
        "150 of 300 contracts are not received: the exchange or the network is away.",
    ),
    (
        {"workers": [replace(WORKERS[0], lag_ms=11_000.0), WORKERS[1]]},
        "lag",
        "Trades are handled 11 s after they happened.",
    ),
    (
        {"banned_until_ms": 1_709_295_000_000},
        "ban",
        "The exchange has banned this address until 2024-03-01 12:10:00 UTC: nothing is recovered.",
    ),
    (
        {"known": replace(KNOWN, old_gaps=OldGaps(3, 1200, "BTCUSDT", NOW - timedelta(minutes=20)))},
        "gaps",
        "3 gaps (1,200 trades) not closed after 15 min; the oldest, of BTCUSDT, is 20 min old.",
    ),
    ({"disk_free_percent": 9.9}, "disk", "Only 9.9 % of the disk are free (the limit is 10 %)."),
]


def test_all_is_well() -> None:
    assert conditions(FINE, Rules(), NOW) == {}


@pytest.mark.parametrize(("change", "key", "text"), CAUSES)
def test_each_condition_has_its_key_and_its_sentence(change: dict[str, object], key: str, text: str) -> None:
    assert conditions(replace(FINE, **change), Rules(), NOW) == {key: text}  # type: ignore[arg-type]


def test_the_page_of_alerts_lists_what_there_is_in_the_words_that_are_told() -> None:
    page = (Path(__file__).resolve().parent.parent.parent / "docs" / "ALERTS.md").read_text()
    headings = dict(re.findall(r"^### (.+) \(`(\w+)", page, re.MULTILINE))
    assert {kind: title for title, kind in headings.items()} == INCIDENTS | NEWS
    assert {key.partition(" ")[0] for _, key, _ in CAUSES} == set(INCIDENTS)
    news = [
        started("alpha"),
        stopped("alpha"),
        trial("alpha"),
        listings({"OLDUSDT": "TRADING"}, {"OLDUSDT": "DELISTED", "NEWUSDT": "PENDING_TRADING"}),
        summary(date(2024, 3, 1), 560, 61_234_567, (12, 3400, 0)),
    ]
    for text in [*(text for _, _, text in CAUSES), *news]:
        assert f"> {text}\n" in page
    told = re.findall(r"`(ALERT_\w+|TELEGRAM_\w+|EMAIL_\w+)`", page)
    assert {name.lower() for name in told} <= set(Config.model_fields)
    assert {name.upper() for name in Config.model_fields if name.startswith("alert_")} <= set(told)


def test_limits_are_the_rules() -> None:
    close = replace(FINE, disk_free_percent=10.0, workers=[replace(each, lag_ms=10_000.0) for each in WORKERS])
    assert conditions(close, Rules(), NOW) == {}
    assert set(conditions(close, Rules(lag_seconds=9, disk_percent=11), NOW)) == {"lag", "disk"}


def test_what_nobody_can_know_is_neither_begun_nor_over() -> None:
    blind = Facts(away={"Valkey": "x", "Postgres": "y"})
    for key in ("worker alpha", "host alpha", "collectors", "lost alpha", "streams", "lag", "ban", "gaps"):
        assert unknowable(key, blind)
        assert not unknowable(key, FINE)
    assert not unknowable("service Valkey", blind)
    assert unknowable("move", Facts(away={"ClickHouse": "x"}))
    assert not unknowable("move", blind)
    assert unknowable("lost beta", FINE), "a host that is forgotten is not back"


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


def test_what_is_short_is_not_told() -> None:
    book = IncidentBook(patience=15)
    for second in range(0, 600, 3):
        assert tell(book, second, *(["lag"] if second % 30 < 9 else [])) == []


@pytest.mark.parametrize("period", [6, 12, 20, 40, 60, 120, 300, 600])
def test_what_comes_and_goes_all_the_time_is_told_and_is_no_storm(period: int) -> None:
    book = IncidentBook(patience=15)
    # An hour in which it is away for half of each period, and then it stays.
    told = [
        state
        for second in range(0, 7200, 3)
        for state, _ in tell(book, second, *(["service"] if second < 3600 and second % period < period / 2 else []))
    ]
    # ten times a minute, or once: someone hears of it, not more than six times an hour, and in the end that it is over
    assert 1 <= told.count("firing") <= 6
    assert told == ["firing", "resolved"] * told.count("firing")


def test_while_nobody_can_know_an_incident_is_not_over() -> None:
    book = IncidentBook(patience=15)
    tell(book, 0, "lag")
    tell(book, 15, "lag")
    assert tell(book, 100, blind=True) == []
    assert tell(book, 200, blind=True) == []
    assert tell(book, 201) == []
    assert tell(book, 216) == [("resolved", "lag")]


def test_what_another_process_told_is_not_told_again_and_its_end_once() -> None:
    book = IncidentBook(patience=15)
    book.restore({"lag": "late"})
    assert tell(book, 1000, "lag") == []
    assert tell(book, 1001) == []
    assert tell(book, 1016) == [("resolved", "lag")]
    # Postgres went away before the end was on record.
    book.restore({"lag": "late"})
    assert [tell(book, now) for now in (1017, 1040)] == [[], []]
    book.recorded()
    book.restore({"lag": "late again"})
    assert book.open() == {"lag": "late again"}
