"""Fetching archives from the exchange, and its listing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from collectors.binance.archive import (
    ArchiveMissing,
    ArchiveName,
    Archives,
    ArchiveUnchanged,
    ArchiveUnreachable,
    ChecksumWrong,
    FolderUnusable,
    GaveUp,
)
from collectors.binance.archivefile import read_days
from tests.fixtures_exchange import RunningExchange
from tests.simulator.archive_writing import rows_from, write_archive

Start = Callable[..., RunningExchange]

CHINESE = "币安人生USDT"
BTC = ArchiveName.daily("BTCUSDT", date(2024, 1, 31))
#: 2024-01-31 00:00:00 UTC in ms.
MIDNIGHT = 1_706_659_200_000
ROWS = 4_000


@pytest.fixture
def exchange(start_exchange: Start, tmp_path: Path) -> RunningExchange:
    """One that serves a few archives from disk."""
    shelf = tmp_path / "shelf"
    write_archive(shelf, "BTCUSDT", "2024-01-31", rows_from(1, MIDNIGHT, ROWS, step_ms=3))
    write_archive(shelf, "BTCUSDT", "2024-01-30", rows_from(1, MIDNIGHT - 86_400_000, 10))
    write_archive(shelf, "BTCUSDT", "2024-01", rows_from(1, MIDNIGHT, 10), period="monthly")
    write_archive(shelf, CHINESE, "2024-01-31", rows_from(1, MIDNIGHT, 10))
    return start_exchange(archive_dir=shelf, paused=True, archive_delay_hours=-1)


@pytest.fixture
def archives(exchange: RunningExchange) -> Archives:
    return Archives(exchange.url, f"{exchange.url}/listing")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fetched"


def test_an_archive_arrives_as_it_is_and_can_be_read(archives: Archives, folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    fetched = archives.fetch(BTC, folder, progress=lambda done, total: seen.append((done, total)))
    body = fetched.path.read_bytes()
    assert fetched.path == folder / BTC.file
    assert (fetched.size, fetched.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert fetched.etag
    assert '"' not in fetched.etag
    assert seen[-1] == (len(body), len(body))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert os.listdir(folder) == [BTC.file]  # noqa: PTH208
    assert stat.S_IMODE(fetched.path.stat().st_mode) == 0o644
    (rows,) = [day.rows for day in read_days(fetched.path, BTC, folder)]
    assert rows == ROWS


def test_a_symbol_that_is_not_ascii(archives: Archives, folder: Path) -> None:
    name = ArchiveName.daily(CHINESE, date(2024, 1, 31))
    assert archives.fetch(name, folder).path.name == f"{CHINESE}-aggTrades-2024-01-31.zip"
    assert [each.name for each in archives.listed(CHINESE, "daily")] == [name]


def test_a_file_that_is_known_is_not_fetched_again(archives: Archives, folder: Path) -> None:
    first = archives.fetch(BTC, folder)
    first.path.unlink()
    with pytest.raises(ArchiveUnchanged, match="is the same as"):
        archives.fetch(BTC, folder, known_etag=first.etag)
    assert list(folder.iterdir()) == []
    assert archives.fetch(BTC, folder, known_etag="another").etag == first.etag


def test_a_partial_first_upload_is_told_from_the_file_that_replaces_it(
    exchange: RunningExchange, archives: Archives, folder: Path
) -> None:
    exchange.fault("archive", kind="partial")
    try:
        partial_etag = archives.fetch(BTC, folder).etag
    except ChecksumWrong as wrong:
        partial_etag = wrong.etag
    exchange.delete("/simulator/faults")
    whole = archives.fetch(BTC, folder, known_etag=partial_etag)
    assert sum(day.rows for day in read_days(whole.path, BTC, folder)) == ROWS


@pytest.mark.parametrize("kind", ["missing", "late"])
def test_what_is_not_published_is_missing(
    exchange: RunningExchange, archives: Archives, folder: Path, kind: str
) -> None:
    exchange.fault("archive", kind=kind, symbol="BTCUSDT", date="2024-01-31")
    with pytest.raises(ArchiveMissing, match="is not published") as found:
        archives.fetch(BTC, folder)
    assert found.value.what == "archive"
    with pytest.raises(ArchiveMissing):
        archives.fetch(ArchiveName.daily("NOSUCHUSDT", date(2024, 1, 31)), folder)
    listed = {each.name for each in archives.listed("BTCUSDT", "daily")}
    assert (BTC in listed) == (kind == "late")


@pytest.mark.parametrize("kind", ["corrupt", "checksum"])
def test_a_file_that_is_not_what_its_checksum_says_is_refused(
    exchange: RunningExchange, archives: Archives, folder: Path, kind: str
) -> None:
    right = archives.fetch(BTC, folder)
    exchange.fault("archive", kind=kind)
    with pytest.raises(ChecksumWrong, match="does not match its checksum") as found:
        archives.fetch(BTC, folder)
    problem = found.value
    assert problem.expected == ("0" * 64 if kind == "checksum" else right.sha256)
    assert (problem.got == right.sha256) == (kind == "checksum")
    assert problem.etag
    # What was good before is still there, and nothing else.
    assert [path.name for path in folder.iterdir()] == [BTC.file]
    assert hashlib.sha256(right.path.read_bytes()).hexdigest() == right.sha256


def test_giving_up_stops_at_once_and_leaves_nothing(archives: Archives, folder: Path) -> None:
    for patience in (0, 1):
        asked = iter([False] * patience + [True] * 1000)
        with pytest.raises(GaveUp):
            archives.fetch(BTC, folder, give_up=lambda asked=asked: next(asked))  # type: ignore[misc]
        assert not folder.exists() or list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_sentence(archives: Archives, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderUnusable, match="choose another folder"):
        archives.fetch(BTC, tmp_path / "file" / "below")
    (tmp_path / "taken" / BTC.file).mkdir(parents=True)
    with pytest.raises(FolderUnusable, match="choose another folder"):
        archives.fetch(BTC, tmp_path / "taken")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == [BTC.file]


def test_a_full_disk_is_a_sentence(archives: Archives, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    draft = folder / "x.draft"

    def full(**_: object) -> tuple[int, str]:
        draft.write_text("")
        return os.open("/dev/full", os.O_WRONLY), str(draft)

    monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(FolderUnusable, match="is full: free some space"):
        archives.fetch(BTC, folder)
    assert list(folder.iterdir()) == []


def test_an_archive_that_nobody_serves_is_a_sentence(folder: Path) -> None:
    archives = Archives("http://127.0.0.1:9", "http://127.0.0.1:9/listing")
    with pytest.raises(ArchiveUnreachable, match="does not answer at"):
        archives.fetch(BTC, folder)
    with pytest.raises(ArchiveUnreachable, match="does not answer at"):
        archives.listed("BTCUSDT", "daily")


def test_the_listing_has_what_there_is(archives: Archives) -> None:
    days = archives.listed("BTCUSDT", "daily")
    assert [each.name.date for each in days] == ["2024-01-30", "2024-01-31"]
    assert [each.name for each in archives.listed("BTCUSDT", "monthly")] == [
        ArchiveName.monthly("BTCUSDT", date(2024, 1, 1))
    ]
    assert archives.listed("NOSUCHUSDT", "daily") == []
    # No archive of a contract whose name merely begins alike.
    assert archives.listed("BTCUSD", "daily") == []


def test_what_is_listed_is_what_is_fetched(archives: Archives, folder: Path) -> None:
    for listed in archives.listed("BTCUSDT", "daily"):
        fetched = archives.fetch(listed.name, folder)
        assert (fetched.etag, fetched.size) == (listed.etag, listed.size)
        assert datetime.fromtimestamp(listed.modified_ms / 1000, UTC).date() - listed.name.first_day < timedelta(days=3)


def test_a_listing_of_several_pages_is_whole(start_exchange: Start, tmp_path: Path) -> None:
    first = date(2020, 1, 1)
    days = [first + timedelta(days=number) for number in range(510)]
    for day in days:
        begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
        write_archive(tmp_path / "shelf", CHINESE, day.isoformat(), rows_from(1, begin, 1))
    exchange = start_exchange(archive_dir=tmp_path / "shelf", paused=True, archive_delay_hours=-1)
    listed = Archives(exchange.url, f"{exchange.url}/listing").listed(CHINESE, "daily")
    assert [each.name for each in listed] == [ArchiveName.daily(CHINESE, day) for day in days]
