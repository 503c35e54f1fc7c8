"""A zip that is broken, or holds what it should not, is refused in a sentence."""

from __future__ import annotations

import contextlib
import logging
import zipfile
import zlib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.binance.archive import ArchiveName, ArchiveProblem, ArchiveUnreadable, FolderUnusable
from collectors.binance.archivefile import read_days
from tests.collectors.archive_files import NAME, Line, archive, read, zipped

GOOD = Line(1).text


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME.file
    good = archive(tmp_path, [Line(1)]).read_bytes()
    for content in (b"", b"<html>", good[:-30], good[:20], b"PK\x05\x06" + bytes(18), b"PK" * 500):
        path.write_bytes(content)
        with pytest.raises(ArchiveUnreadable):
            read(path)


def test_a_zip_that_points_before_its_beginning_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, [Line(1)])
    body = bytearray(path.read_bytes())
    # The offset of its directory, near its end, one byte too large.
    body[-6] += 1
    path.write_bytes(body)
    with pytest.raises(ArchiveUnreadable, match="points outside itself"):
        read(path)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FolderUnusable, match="cannot be used"):
        list(read_days(tmp_path / "none.zip", NAME, tmp_path))


def members(path: Path, *names: str, kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as made:
        for name in names:
            made.writestr(name, GOOD + "\n")
    return path


def test_not_exactly_one_csv_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME.file
    csv = "BTCUSDT-aggTrades-2024-01-31.csv"
    for names in ((), (csv, "b.csv"), ("README.txt",), (f"{csv}/",), (csv, "__MACOSX/x")):
        with pytest.raises(ArchiveUnreadable, match="should hold one CSV"):
            read(members(path, *names))


@pytest.mark.parametrize("member", ["ETHUSDT-aggTrades-2024-01-31.csv", "BTCUSDT-aggTrades-2024-01-30.csv"])
def test_another_contracts_or_days_rows_are_refused(tmp_path: Path, member: str) -> None:
    with pytest.raises(ArchiveUnreadable, match="holds another archive's"):
        read(members(tmp_path / NAME.file, member))


@pytest.mark.parametrize("member", ["aggTrades.csv", "tmp/BTCUSDT-aggTrades-2024-01-31.csv", "../../etc/passwd.csv"])
def test_an_unexpected_name_inside_is_only_said(tmp_path: Path, member: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        (found,) = read(members(tmp_path / NAME.file, member))
    assert found.lines == [Line(1)]
    assert member in caplog.text


def test_the_history_of_a_settled_contract_may_bear_its_old_name(tmp_path: Path) -> None:
    name = ArchiveName.daily("BTCUSDTSETTLED", date(2024, 1, 31))
    (found,) = read(members(tmp_path / name.file, "BTCUSDT-aggTrades-2024-01-31.csv"), name)
    assert found.day.symbol == "BTCUSDTSETTLED"


def test_a_compression_the_exchange_does_not_use_is_refused(tmp_path: Path) -> None:
    csv = "BTCUSDT-aggTrades-2024-01-31.csv"
    with pytest.raises(ArchiveUnreadable, match="compression"):
        read(members(tmp_path / NAME.file, csv, kind=zipfile.ZIP_LZMA))
    assert read(members(tmp_path / NAME.file, csv, kind=zipfile.ZIP_STORED))[0].lines == [Line(1)]


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, [Line(1)])
    body = bytearray(path.read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(magic) + place] |= 1
    path.write_bytes(body)
    with pytest.raises(ArchiveUnreadable, match="encrypted"):
        read(path)


def test_a_bomb_is_refused_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path, b"1" * 20_000_000)
    assert path.stat().st_size < 30_000
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(ArchiveUnreadable, match="which no trades do"):
        read(path)


def test_rows_that_were_changed_under_the_zips_own_checksum_are_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME.file
    text = f"{GOOD}\n".encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        made.writestr("BTCUSDT-aggTrades-2024-01-31.csv", text)
    body = path.read_bytes()
    path.write_bytes(body.replace(b"42283.58", b"42283.59"))
    with pytest.raises(ArchiveUnreadable, match="CRC"):
        read(path)


GOOD_ZIP_LINES = [Line(number, first=number, last=number) for number in range(300)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bytes_changed_anywhere_are_noticed_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is in the file, it is read as it was or refused in a sentence; nothing else is raised."""
    path = archive(tmp_path, GOOD_ZIP_LINES)
    body = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        # The headers, where the structure is, more often than the rest.
        place = data.draw(
            st.integers(0, 60) | st.integers(len(body) - 120, len(body) - 1) | st.integers(0, len(body) - 1)
        )
        body[place] = data.draw(st.integers(0, 255))
    path.write_bytes(body)
    with contextlib.suppress(ArchiveProblem):
        (found,) = read(path)
        assert found.lines == GOOD_ZIP_LINES
    assert list((tmp_path / "reading").iterdir()) == []


def test_deflate_that_ends_early_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, GOOD_ZIP_LINES)
    with zipfile.ZipFile(path) as made:
        info = made.infolist()[0]
        start = info.header_offset + 30 + len(info.filename)
    body = bytearray(path.read_bytes())
    body[start : start + 4] = zlib.compress(b"")[2:6]
    path.write_bytes(body)
    with pytest.raises(ArchiveUnreadable):
        read(path)
