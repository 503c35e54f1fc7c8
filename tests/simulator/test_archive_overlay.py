"""Archives laid over those of the market: put there, replaced and taken away while the exchange runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.fixtures_exchange import RunningExchange
from tests.simulator.archive_writing import rows_from, write_archive
from tests.simulator.test_archives import S3, day, listing, path_of

Start = Callable[..., RunningExchange]
NEW_YEAR_2024 = 1_704_067_200_000
DAILY = "data/futures/um/daily/aggTrades"


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """Does not exist yet: the exchange makes it."""
    return tmp_path / "overlay"


@pytest.fixture
def exchange(start_exchange: Start, overlay: Path) -> RunningExchange:
    return start_exchange(symbols=2, rate=2, archive_overlay=overlay)


def place(overlay: Path, symbol: str, date: str, body: bytes, end: str = ".zip", period: str = "daily") -> Path:
    path = overlay / period / symbol / f"{symbol}-aggTrades-{date}{end}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def conditional(exchange: RunningExchange, path: str, etag: str) -> requests.Response:
    return exchange._session.get(exchange.url + path, headers={"If-None-Match": etag}, timeout=30)


def listed_etags(exchange: RunningExchange, prefix: str) -> dict[str, str]:
    _, _, root = listing(exchange, prefix=prefix)
    return {item.findtext(f"{S3}Key") or "": item.findtext(f"{S3}ETag") or "" for item in root.iter(f"{S3}Contents")}


def test_a_file_is_served_in_place_of_the_made_one(exchange: RunningExchange, overlay: Path) -> None:
    path, body = path_of("BTCUSDT", day(2)), b"another zip"
    made = exchange.response(path)
    assert made.status_code == 200
    placed = place(overlay, "BTCUSDT", day(2), body)
    answer = exchange.response(path)
    assert (answer.content, answer.headers["Content-Type"]) == (body, "application/zip")
    assert answer.headers["ETag"] != made.headers["ETag"]
    digest = hashlib.sha256(body).hexdigest()
    assert exchange.response(f"{path}.CHECKSUM").text == f"{digest}  BTCUSDT-aggTrades-{day(2)}.zip\n"
    placed.unlink()
    assert exchange.response(path).content == made.content


def test_it_is_there_at_once_for_any_symbol_date_and_period(exchange: RunningExchange, overlay: Path) -> None:
    for symbol, date, period in (
        ("BTCUSDT", day(0), "daily"),
        ("BTCUSDTSETTLED", "2021-05-19", "daily"),
        ("龙虾USDT", "2021-05", "monthly"),
    ):
        path = path_of(symbol, date, period)
        assert exchange.response(path).status_code == 404
        place(overlay, symbol, date, b"zip", period=period)
        answer = exchange.response(path)
        assert (answer.status_code, answer.content) == (200, b"zip")
        folder = f"data/futures/um/{period}/aggTrades/{symbol}/"
        key = f"{folder}{symbol}-aggTrades-{date}.zip"
        found = listed_etags(exchange, folder)
        assert found[key] == answer.headers["ETag"]
        assert f"{key}.CHECKSUM" in found
    assert f"{DAILY}/BTCUSDT/BTCUSDT-aggTrades-{day(2)}.zip" in listed_etags(exchange, f"{DAILY}/BTCUSDT/")


def test_a_replaced_file_has_another_etag_and_checksum(exchange: RunningExchange, overlay: Path) -> None:
    path = path_of("BTCUSDT", "2021-05-19")
    placed = place(overlay, "BTCUSDT", "2021-05-19", b"one")
    first = exchange.response(path)
    assert conditional(exchange, path, first.headers["ETag"]).status_code == 304
    stat = placed.stat()
    placed.write_bytes(b"two")
    os.utime(placed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    second = conditional(exchange, path, first.headers["ETag"])
    assert (second.status_code, second.content) == (200, b"two"), "of the same length and time, but another"
    assert second.headers["ETag"] != first.headers["ETag"]
    assert listed_etags(exchange, f"{DAILY}/BTCUSDT/")[path[1:]] == second.headers["ETag"]
    assert exchange.response(f"{path}.CHECKSUM").text.split()[0] == hashlib.sha256(b"two").hexdigest()
    os.utime(placed, (NEW_YEAR_2024 / 1000, NEW_YEAR_2024 / 1000))
    assert exchange.response(path).headers["Last-Modified"] == "Mon, 01 Jan 2024 00:00:00 GMT"


def test_a_checksum_beside_is_served_as_it_is(exchange: RunningExchange, overlay: Path) -> None:
    place(overlay, "BTCUSDT", "2021-05-19", b"one")
    text = b"0123  some-other-name.zip"
    beside = place(overlay, "BTCUSDT", "2021-05-19", text, end=".zip.CHECKSUM")
    path = path_of("BTCUSDT", "2021-05-19") + ".CHECKSUM"
    assert exchange.response(path).content == text
    beside.unlink()
    assert exchange.response(path).text.startswith(hashlib.sha256(b"one").hexdigest())
    place(overlay, "BTCUSDT", day(2), text, end=".zip.CHECKSUM")
    assert exchange.response(path_of("BTCUSDT", day(2)) + ".CHECKSUM").content == text, "of a made one too"


def test_an_archive_can_be_taken_away(exchange: RunningExchange, overlay: Path) -> None:
    path = path_of("BTCUSDT", day(2))
    away = place(overlay, "BTCUSDT", day(2), b"", end=".zip.absent")
    assert [exchange.response(path + end).status_code for end in ("", ".CHECKSUM")] == [404, 404]
    assert path[1:] not in listed_etags(exchange, f"{DAILY}/BTCUSDT/")
    place(overlay, "BTCUSDT", day(2), b"zip")
    assert exchange.response(path).status_code == 404
    assert path[1:] not in listed_etags(exchange, f"{DAILY}/BTCUSDT/")
    away.unlink()
    assert exchange.response(path).content == b"zip"


def test_a_replay_can_be_laid_over_too(start_exchange: Start, overlay: Path, tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "tape", "BTCUSDT", "2024-01-01", rows_from(1, NEW_YEAR_2024, 10))
    exchange = start_exchange(archive_dir=tmp_path / "tape", archive_overlay=overlay, archive_delay_hours=-1)
    path = path_of("BTCUSDT", "2024-01-01")
    assert exchange.response(path).content == archive.read_bytes()
    placed = place(overlay, "BTCUSDT", "2024-01-01", b"replaced")
    assert exchange.response(path).content == b"replaced"
    assert exchange.response(f"{path}.CHECKSUM").text.startswith(hashlib.sha256(b"replaced").hexdigest())
    placed.unlink()
    assert exchange.response(path).content == archive.read_bytes()
    place(overlay, "BTCUSDT", "2024-01-01", b"", end=".zip.absent")
    assert exchange.response(path).status_code == 404


def test_faults_hit_what_is_laid_over(exchange: RunningExchange, overlay: Path) -> None:
    place(overlay, "BTCUSDT", "2021-05-19", b"a body of some length")
    path = path_of("BTCUSDT", "2021-05-19")
    exchange.fault("archive", kind="corrupt", symbol="BTCUSDT", date="2021-05-19")
    assert exchange.response(path).content != b"a body of some length"
    checksum = exchange.response(f"{path}.CHECKSUM").text
    assert checksum.startswith(hashlib.sha256(b"a body of some length").hexdigest())
