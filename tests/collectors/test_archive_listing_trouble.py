"""Listings no bucket should give, and what is taken out of good ones."""

from __future__ import annotations

from datetime import date

import pytest

from collectors.binance.archive import ArchiveName, Archives, ArchiveUnreachable
from tests.collectors.archive_server import Server, head, ok

NAME = ArchiveName.daily("BTCUSDT", date(2024, 1, 31))
LISTING = "/listing"


@pytest.fixture
def archives(stub: Server) -> Archives:
    return Archives(stub.url, f"{stub.url}{LISTING}")


S3 = "http://s3.amazonaws.com/doc/2006-03-01/"


def listing(*keys: str, more: bool = False, extra: str = "", doctype: str = "") -> bytes:
    contents = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2024-02-01T08:00:00.000Z</LastModified>"
        f"<ETag>&quot;e&quot;</ETag><Size>7</Size></Contents>"
        for key in keys
    )
    truncated = "true" if more else "false"
    return ok(
        f'<?xml version="1.0" encoding="UTF-8"?>{doctype}<ListBucketResult xmlns="{S3}">'
        f"<IsTruncated>{truncated}</IsTruncated>{extra}{contents}</ListBucketResult>".encode()
    )


def test_only_archives_of_the_contract_and_the_period_are_taken(archives: Archives, stub: Server) -> None:
    good = NAME.folder + NAME.file
    another = good.replace("-31", "-30")
    others = [
        f"{another}.CHECKSUM",
        another.replace("daily", "monthly"),
        f"elsewhere/{another}",
        another.replace("BTCUSDT-", "ETHUSDT-"),
        good.replace("-31", "-99"),
    ]
    stub.answers[LISTING] = listing(good, *others)
    (found,) = archives.listed("BTCUSDT", "daily")
    assert (found.name, found.etag, found.size, found.modified_ms) == (NAME, "e", 7, 1_706_774_400_000)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "answer",
    [
        head(404),
        ok(b""),
        ok(b"\xff\xfe<\x00"),
        ok(b"<html></html>"),
        ok(b"<ListBucketResult>"),
        ok(f'<Error xmlns="{S3}"/>'.encode()),
        listing(doctype=BOMB, extra="<Prefix>&b;</Prefix>"),
        ok(f'<?xml version="1.0" encoding="UTF-16"?>{BOMB}<x>&b;</x>'.encode("utf-16")),
        listing(NAME.folder + NAME.file).replace(b"<Size>7</Size>", b"<Size>?</Size>"),
        listing(NAME.folder + NAME.file).replace(b"2024-02-01T08:00:00.000Z", b"02/01/2024 8 a.m., GMT.."),
        listing(more=True),
        listing(NAME.folder + NAME.file, more=True),
        listing("a", more=True, extra="<NextMarker>a</NextMarker>"),
        head(200, 100) + b"<ListBucketResult",
        head(200, 10**9) + b" " * 9_000_000,
    ],
)
def test_what_is_no_listing_is_a_sentence(archives: Archives, stub: Server, answer: bytes) -> None:
    stub.answers[LISTING] = answer
    with pytest.raises(ArchiveUnreachable) as found:
        archives.listed("BTCUSDT", "daily")
    assert str(found.value).endswith((".", ")"))
    assert len(stub.requests) < 5


def test_entities_are_refused_as_such(archives: Archives, stub: Server) -> None:
    stub.answers[LISTING] = listing(doctype=BOMB, extra="<Prefix>&b;</Prefix>")
    with pytest.raises(ArchiveUnreachable, match="DOCTYPE"):
        archives.listed("BTCUSDT", "daily")


def test_a_page_without_end_is_not_taken_into_memory(archives: Archives, stub: Server) -> None:
    stub.answers[LISTING] = ok(listing().partition(b"\r\n\r\n")[2] + b" " * 9_000_000)
    with pytest.raises(ArchiveUnreachable, match="longer than 8000000 bytes"):
        archives.listed("BTCUSDT", "daily")
