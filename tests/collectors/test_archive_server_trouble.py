"""Answers no archive should give: each ends in a sentence, within a bounded time, and leaves nothing on disk."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
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

NAME = ArchiveName.daily("BTCUSDT", date(2024, 1, 31))
BODY = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(BODY).hexdigest()
ZIP, CHECKSUM, LISTING = f"/{NAME.path}", f"/{NAME.path}.CHECKSUM", "/listing"

#: What to send for a path: bytes at once, or pieces one after the other; the connection ends after them.
Answer = bytes | Callable[[], Iterator[bytes]]


class Server:
    """Answers each request with the bytes that are set for its path, whatever they are."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self.stopped.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(65_536)
                if not received:
                    return
                request += received
            self.requests.append(request.decode())
            answer = self.answers.get(request.split(b" ")[1].decode().partition("?")[0], head(404))
            try:
                for piece in [answer] if isinstance(answer, bytes) else answer():
                    connection.sendall(piece)
            except OSError:
                return


def head(status: int, length: int | None = 0, *lines: str) -> bytes:
    given = [f"HTTP/1.1 {status} X", "Connection: close", *lines]
    given += [f"Content-Length: {length}"] if length is not None else []
    return ("\r\n".join(given) + "\r\n\r\n").encode()


def ok(body: bytes, *lines: str) -> bytes:
    return head(200, len(body), *lines) + body


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    made.answers = {ZIP: ok(BODY, 'ETag: "one"'), CHECKSUM: ok(f"{DIGEST}  {NAME.file}".encode())}
    yield made
    made.close()


@pytest.fixture
def archives(server: Server) -> Archives:
    return Archives(server.url, f"{server.url}{LISTING}")


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


def test_only_archives_of_the_contract_and_the_period_are_taken(archives: Archives, server: Server) -> None:
    good = NAME.folder + NAME.file
    another = good.replace("-31", "-30")
    others = [
        f"{another}.CHECKSUM",
        another.replace("daily", "monthly"),
        f"elsewhere/{another}",
        another.replace("BTCUSDT-", "ETHUSDT-"),
        good.replace("-31", "-99"),
    ]
    server.answers[LISTING] = listing(good, *others)
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
def test_what_is_no_listing_is_a_sentence(archives: Archives, server: Server, answer: bytes) -> None:
    server.answers[LISTING] = answer
    with pytest.raises(ArchiveUnreachable) as found:
        archives.listed("BTCUSDT", "daily")
    assert str(found.value).endswith((".", ")"))
    assert len(server.requests) < 5


def test_entities_are_refused_as_such(archives: Archives, server: Server) -> None:
    server.answers[LISTING] = listing(doctype=BOMB, extra="<Prefix>&b;</Prefix>")
    with pytest.raises(ArchiveUnreachable, match="DOCTYPE"):
        archives.listed("BTCUSDT", "daily")


def test_an_answer_without_end_is_not_taken_into_memory(archives: Archives, server: Server, tmp_path: Path) -> None:
    server.answers[CHECKSUM] = ok(f"{DIGEST}  {'x' * 10_000}".encode())
    fails(archives, tmp_path / "f", ArchiveUnreachable, "longer than 1000 bytes")
    server.answers[LISTING] = ok(listing().partition(b"\r\n\r\n")[2] + b" " * 9_000_000)
    with pytest.raises(ArchiveUnreachable, match="longer than 8000000 bytes"):
        archives.listed("BTCUSDT", "daily")


def test_a_file_that_is_not_what_its_checksum_says_is_not_kept(
    archives: Archives, server: Server, tmp_path: Path
) -> None:
    server.answers[CHECKSUM] = ok(f"{'0' * 64}  {NAME.file}\n".encode())
    problem = fails(archives, tmp_path / "f", ChecksumWrong, "does not match its checksum")
    assert isinstance(problem, ChecksumWrong)
    assert (problem.expected, problem.got, problem.etag) == ("0" * 64, DIGEST, "one")
