"""Answers no archive should give: each ends in a sentence, within a bounded time, and leaves nothing on disk."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from collectors.binance import archive, archivedownload
from collectors.binance.archive import (
    ArchiveMissing,
    ArchiveName,
    ArchiveProblem,
    Archives,
    ArchiveUnchanged,
    ArchiveUnreachable,
    ChecksumWrong,
)
from tests.collectors.archive_server import Server, head, ok

NAME = ArchiveName.daily("BTCUSDT", date(2024, 1, 31))
BODY = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(BODY).hexdigest()
ZIP, CHECKSUM = f"/{NAME.path}", f"/{NAME.path}.CHECKSUM"


@pytest.fixture
def server(stub: Server) -> Server:
    stub.answers = {ZIP: ok(BODY, 'ETag: "one"'), CHECKSUM: ok(f"{DIGEST}  {NAME.file}".encode())}
    return stub


@pytest.fixture
def archives(server: Server) -> Archives:
    return Archives(server.url, f"{server.url}/listing")


def fails(archives: Archives, folder: Path, kind: type[ArchiveProblem], match: str) -> ArchiveProblem:
    with pytest.raises(kind, match=match) as found:
        archives.fetch(NAME, folder)
    assert not folder.exists() or list(folder.iterdir()) == []
    return found.value


def test_a_good_answer_is_fetched(archives: Archives, server: Server, tmp_path: Path) -> None:
    fetched = archives.fetch(NAME, tmp_path)
    assert (fetched.etag, fetched.size, fetched.sha256) == ("one", len(BODY), DIGEST)
    assert "identity" in server.requests[0]


@pytest.mark.parametrize(
    "checksum", [DIGEST.encode(), f"{DIGEST.upper()}  x.zip\r\n".encode(), f"{DIGEST} *x\n".encode()]
)
def test_a_checksum_in_any_of_its_forms_is_read(
    archives: Archives, server: Server, tmp_path: Path, checksum: bytes
) -> None:
    server.answers[CHECKSUM] = ok(checksum)
    assert archives.fetch(NAME, tmp_path).sha256 == DIGEST


@pytest.mark.parametrize("checksum", [b"", b"\n", b"<html>no</html>", DIGEST[:-1].encode(), b"\xff" * 70, b"g" * 64])
def test_a_checksum_that_is_none_is_refused_before_the_body(
    archives: Archives, server: Server, tmp_path: Path, checksum: bytes
) -> None:
    server.answers[CHECKSUM] = ok(checksum)
    problem = fails(archives, tmp_path / "f", ChecksumWrong, "is not a SHA-256")
    assert isinstance(problem, ChecksumWrong)
    assert (problem.etag, problem.got) == ("one", "")


def test_a_checksum_that_is_missing_is_told_from_a_missing_file(
    archives: Archives, server: Server, tmp_path: Path
) -> None:
    server.answers[CHECKSUM] = head(404)
    problem = fails(
        archives, tmp_path / "f", ArchiveMissing, r"^The checksum of BTCUSDT-aggTrades-2024-01-31.zip is not"
    )
    assert isinstance(problem, ArchiveMissing)
    assert problem.what == "checksum"


@pytest.mark.parametrize("path", [ZIP, CHECKSUM])
@pytest.mark.parametrize(
    ("status", "meaning"),
    [(403, "firewall"), (429, "too many"), (451, "location"), (500, "unexpected"), (503, "unexpected")],
)
def test_a_refusal_is_a_sentence(
    archives: Archives, server: Server, tmp_path: Path, path: str, status: int, meaning: str
) -> None:
    server.answers[path] = head(status)
    fails(archives, tmp_path / "f", ArchiveUnreachable, rf"answered {status}: .*{meaning}.*Try again later\.$")


def test_a_304_that_nobody_asked_for_is_no_news(archives: Archives, server: Server, tmp_path: Path) -> None:
    server.answers[ZIP] = head(304)
    fails(archives, tmp_path / "f", ArchiveUnreachable, "answered 304")


def test_a_server_that_ignores_the_known_etag_sends_nothing_twice(
    archives: Archives, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveUnchanged):
        archives.fetch(NAME, tmp_path, known_etag="one")
    assert 'If-None-Match: "one"' in server.requests[0]
    assert len(server.requests) == 1


SHORT = "broke off"


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head(200, None, "Transfer-Encoding: chunked") + body + (b"0\r\n\r\n" if end else b"")


@pytest.mark.parametrize(
    "answer",
    [
        head(200, len(BODY)) + BODY[:-1],
        head(200, len(BODY)),
        chunked(BODY[:1000], end=False),
        head(200, None, "Transfer-Encoding: chunked") + b"zz\r\nx",
    ],
)
def test_a_body_that_ends_early_is_not_kept(archives: Archives, server: Server, tmp_path: Path, answer: bytes) -> None:
    server.answers[ZIP] = answer
    fails(archives, tmp_path / "f", ArchiveUnreachable, SHORT)


def test_a_body_without_a_length_is_read_to_its_end(archives: Archives, server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    for answer in (chunked(BODY[:5000], BODY[5000:]), head(200, None) + BODY):
        server.answers[ZIP] = answer
        fetched = archives.fetch(NAME, tmp_path, progress=lambda done, total: seen.append((done, total)))
        assert fetched.sha256 == DIGEST
        assert seen[-1] == (len(BODY), 0)


def test_a_body_without_end_is_stopped(
    archives: Archives, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archivedownload, "MOST_BYTES", 1_000_000)
    server.answers[ZIP] = head(200, None) + BODY * 3
    fails(archives, tmp_path / "f", ArchiveUnreachable, "more than 1000000 bytes")


def test_a_body_that_is_said_to_be_absurdly_long_is_not_begun(
    archives: Archives, server: Server, tmp_path: Path
) -> None:
    server.answers[ZIP] = head(200, 10**14) + BODY
    fails(archives, tmp_path / "f", ArchiveUnreachable, "it is said to have 100000000000000 bytes")


@pytest.mark.parametrize("path", [ZIP, CHECKSUM])
def test_a_server_that_falls_silent_is_left(
    archives: Archives, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(archive, "TIMEOUT", (1.0, 0.3))

    def silent() -> Iterator[bytes]:
        yield head(200, 1000) + b"PK"
        server.stopped.wait(10)

    server.answers[path] = silent
    began = time.monotonic()
    fails(archives, tmp_path / "f", ArchiveUnreachable, SHORT)
    assert time.monotonic() - began < 5


def test_a_server_that_drips_is_left_in_the_end(
    archives: Archives, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archivedownload, "LONGEST_S", 0.5)

    def drips() -> Iterator[bytes]:
        yield head(200, len(BODY))
        while not server.stopped.wait(0.05):
            yield b"x"

    server.answers[ZIP] = drips
    began = time.monotonic()
    fails(archives, tmp_path / "f", ArchiveUnreachable, "it was not there after 0.5 s")
    assert time.monotonic() - began < 5


def test_giving_up_does_not_wait_for_a_whole_piece(archives: Archives, server: Server, tmp_path: Path) -> None:
    def drips() -> Iterator[bytes]:
        yield head(200, len(BODY))
        while not server.stopped.wait(0.05):
            yield b"x"

    server.answers[ZIP] = drips
    asked = iter([False, False, False])
    with pytest.raises(archive.GaveUp):
        archives.fetch(NAME, tmp_path / "f", give_up=lambda: next(asked, True))
    assert list((tmp_path / "f").iterdir()) == []


def test_a_checksum_without_end_is_not_taken_into_memory(archives: Archives, server: Server, tmp_path: Path) -> None:
    server.answers[CHECKSUM] = ok(f"{DIGEST}  {'x' * 10_000}".encode())
    fails(archives, tmp_path / "f", ArchiveUnreachable, "longer than 1000 bytes")


def test_a_file_that_is_not_what_its_checksum_says_is_not_kept(
    archives: Archives, server: Server, tmp_path: Path
) -> None:
    server.answers[CHECKSUM] = ok(f"{'0' * 64}  {NAME.file}\n".encode())
    problem = fails(archives, tmp_path / "f", ChecksumWrong, "does not match its checksum")
    assert isinstance(problem, ChecksumWrong)
    assert (problem.expected, problem.got, problem.etag) == ("0" * 64, DIGEST, "one")
