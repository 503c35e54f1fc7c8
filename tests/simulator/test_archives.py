"""Archives: the rows REST gave, checksums, publication, and the S3 listing."""

from __future__ import annotations

import hashlib
import io
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from dataprovider.simulator.archive_shelf import Item
from dataprovider.simulator.listing import Entry, list_bucket
from dataprovider.simulator.symbols import exact
from tests.fixtures_exchange import RunningExchange
from tests.simulator.test_stream_equals_rest import rows_by_id

Start = Callable[..., RunningExchange]
HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"
DAILY = "data/futures/um/daily/aggTrades"


def day(days_ago: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days_ago)).date().isoformat()


def path_of(symbol: str, date: str, period: str = "daily") -> str:
    return f"/data/futures/um/{period}/aggTrades/{quote(symbol)}/{quote(symbol)}-aggTrades-{date}.zip"


def csv_lines(body: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert len(archive.namelist()) == 1
        return archive.read(archive.namelist()[0]).decode().splitlines()


def download(exchange: RunningExchange, symbol: str, date: str) -> tuple[bytes, str]:
    """The zip and the checksum file."""
    path = path_of(symbol, date)
    zipped, checksum = exchange.response(path), exchange.response(f"{path}.CHECKSUM")
    assert (zipped.status_code, checksum.status_code) == (200, 200)
    return zipped.content, checksum.text


def listing(exchange: RunningExchange, **params: Any) -> tuple[list[str], list[str], ElementTree.Element]:
    """Keys, common prefixes and the whole answer."""
    answer = exchange.response("/listing", **params)
    assert answer.status_code == 200
    root = ElementTree.fromstring(answer.content)
    keys = [item.text or "" for item in root.iter(f"{S3}Key")]
    prefixes = [item.findtext(f"{S3}Prefix") or "" for item in root.iter(f"{S3}CommonPrefixes")]
    return keys, prefixes, root


def test_a_made_up_day_has_the_rows_rest_has(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=24, rate=20, archive_delay_hours=-1, look_back_hours=100)
    for symbol in ("ADAUSDT", "龙虾USDT"):
        body, checksum = download(exchange, symbol, day(1))
        assert checksum.split() == [hashlib.sha256(body).hexdigest(), f"{symbol}-aggTrades-{day(1)}.zip"]
        header, *lines = csv_lines(body)
        assert header == HEADER
        first, last = (lines[place].split(",") for place in (0, -1))
        begin = int(datetime.fromisoformat(f"{day(1)}T00:00:00+00:00").timestamp()) * 1000
        assert begin <= int(first[5]) <= int(last[5]) < begin + 86_400_000
        assert int(last[0]) - int(first[0]) + 1 == len(lines)
        before, after = (rows_by_id(exchange, symbol, number, 1)[0] for number in (int(first[0]) - 1, int(last[0]) + 1))
        assert before["T"] < begin
        assert after["T"] >= begin + 86_400_000
        rows = rows_by_id(exchange, symbol, int(first[0]), 3000)
        for line, row in zip(lines, rows, strict=False):
            number, price, quantity, first_trade, last_trade, time, maker = line.split(",")
            assert (int(number), int(first_trade), int(last_trade)) == (row["a"], row["f"], row["l"])
            assert (exact(price), exact(quantity)) == (exact(row["p"]), exact(row["q"]))
            assert (int(time), maker) == (row["T"], "true" if row["m"] else "false")
            assert not price.endswith("0") or "." not in price, "decimals are not padded"


def test_made_again_an_archive_has_the_same_bytes(start_exchange: Start) -> None:
    bodies = []
    for _ in range(2):
        exchange = start_exchange(symbols=3, rate=2, archive_delay_hours=-1)
        bodies.append(download(exchange, "BTCUSDT", day(1))[0])
    assert bodies[0] == bodies[1]


def test_a_day_appears_at_its_hour_and_not_before(start_exchange: Start) -> None:
    now = datetime.now(UTC)
    passed = now.hour + now.minute / 60
    early = start_exchange(symbols=3, rate=2, archive_delay_hours=max(0.0, passed - 0.5))
    assert early.response(path_of("BTCUSDT", day(1))).status_code == 200
    late = start_exchange(symbols=3, rate=2, archive_delay_hours=passed + 1)
    assert late.response(path_of("BTCUSDT", day(1))).status_code == 404
    assert late.response(path_of("BTCUSDT", day(1)) + ".CHECKSUM").status_code == 404
    assert late.response(path_of("BTCUSDT", day(2))).status_code == 200
    for exchange in (early, late):
        assert exchange.response(path_of("BTCUSDT", day(0))).status_code == 404
        assert exchange.response(path_of("NOSUCHUSDT", day(2))).status_code == 404
        assert exchange.response(path_of("BTCUSDT", "2026-13-45")).status_code == 404
    keys, _, _ = listing(late, prefix=f"{DAILY}/BTCUSDT/", delimiter="/")
    assert f"{DAILY}/BTCUSDT/BTCUSDT-aggTrades-{day(1)}.zip" not in keys
    assert f"{DAILY}/BTCUSDT/BTCUSDT-aggTrades-{day(2)}.zip" in keys


def test_months_appear_on_the_first_monday() -> None:
    november = Item("monthly", "BTCUSDT", "2026-11").published_ms(8)
    assert datetime.fromtimestamp(november / 1000, UTC) == datetime(2026, 12, 7, 8, tzinfo=UTC)
    may = Item("monthly", "BTCUSDT", "2026-05").published_ms(8)
    assert datetime.fromtimestamp(may / 1000, UTC) == datetime(2026, 6, 1, 8, tzinfo=UTC)
    day_of = Item("daily", "BTCUSDT", "2026-11-30").published_ms(8)
    assert datetime.fromtimestamp(day_of / 1000, UTC) == datetime(2026, 12, 1, 8, tzinfo=UTC)


def test_the_listing_shows_folders_files_and_checksums(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=24, rate=50, archive_delay_hours=-1)
    assert listing(exchange, prefix="data/futures/um/", delimiter="/")[1] == ["data/futures/um/daily/"]
    _, prefixes, _ = listing(exchange, prefix=f"{DAILY}/", delimiter="/")
    assert f"{DAILY}/龙虾USDT/" in prefixes
    assert f"{DAILY}/GONEUSDT/" not in prefixes, "it never traded"
    assert prefixes == sorted(prefixes)
    keys, _, root = listing(exchange, prefix=f"{DAILY}/龙虾USDT/", delimiter="/")
    assert keys == [
        f"{DAILY}/龙虾USDT/龙虾USDT-aggTrades-{day(number)}.zip{end}"
        for number in (3, 2, 1)
        for end in ("", ".CHECKSUM")
    ]
    assert root.findtext(f"{S3}IsTruncated") == "false"
    answer = exchange.response("/" + quote(keys[0]))
    assert answer.status_code == 200
    assert answer.headers["ETag"] == next(item.text for item in root.iter(f"{S3}ETag"))


def test_an_unchanged_archive_is_not_sent_again(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3, rate=2, archive_delay_hours=-1)
    first = exchange.response(path_of("BTCUSDT", day(1)))
    again = exchange._session.get(
        exchange.url + path_of("BTCUSDT", day(1)), headers={"If-None-Match": first.headers["ETag"]}, timeout=30
    )
    assert (again.status_code, again.content) == (304, b"")


def test_the_listing_comes_in_pages_of_1000_keys() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    entries = [
        Entry(f"data/{folder:02}/{number:04}.zip", 1, "x", moment) for folder in range(3) for number in range(900)
    ]
    found: list[str] = []
    marker, pages = "", 0
    while True:
        root = ElementTree.fromstring(list_bucket(entries, "data/", "", marker, None))
        page = [item.text or "" for item in root.iter(f"{S3}Key")]
        found += page
        pages += 1
        if root.findtext(f"{S3}IsTruncated") == "false":
            break
        marker = page[-1]
    assert (found, pages) == (sorted(entry.key for entry in entries), 3)
    root = ElementTree.fromstring(list_bucket(entries, "data/", "/", "", 2))
    assert [item.findtext(f"{S3}Prefix") for item in root.iter(f"{S3}CommonPrefixes")] == ["data/00/", "data/01/"]
    assert root.findtext(f"{S3}NextMarker") == "data/01/"
    root = ElementTree.fromstring(list_bucket(entries, "data/", "/", "data/01/", 2))
    assert [item.findtext(f"{S3}Prefix") for item in root.iter(f"{S3}CommonPrefixes")] == ["data/02/"]
