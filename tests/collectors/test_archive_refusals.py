"""An archive that cannot be trusted is refused with the reason and the line, and nothing of it is used."""

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

from collectors.binance import archivezip
from collectors.binance.archive import ArchiveName, ArchiveProblem, ArchiveUnreadable, FolderUnusable
from collectors.binance.archivefile import read_days
from tests.collectors.archive_files import DAY_MS, HEADER, MIDNIGHT, NAME, Line, archive, read, zipped

GOOD = Line(1).text
OUTSIDE = "time is not in 2024-01-31"

WRONG_LINES = {
    f"2,1.5,-1,1,1,{MIDNIGHT},true": "'-'",
    f"-2,1.5,1,1,1,{MIDNIGHT},true": "'-'",
    f"2,1.123456789,1,1,1,{MIDNIGHT},true": "price is '1.123456789', which has more than 8 decimals",
    f"2,1,0.000000001,1,1,{MIDNIGHT},true": "quantity is '0.000000001', which has more than 8 decimals",
    f"2,92233720368.54775808,1,1,1,{MIDNIGHT},true": "price is larger than",
    f"2,1,184467440738,1,1,{MIDNIGHT},true": "quantity is larger than",
    f"2,1,99999999999999999999,1,1,{MIDNIGHT},true": "quantity is '99999999999999999999'",
    f"2,1e3,1,1,1,{MIDNIGHT},true": "exponent",
    f"2,1E3,1,1,1,{MIDNIGHT},true": "'E'",
    f"2,1.2.3,1,1,1,{MIDNIGHT},true": "price is '1.2.3'",
    f"2,,1,1,1,{MIDNIGHT},true": "price is ''",
    f"2,0,1,1,1,{MIDNIGHT},true": "price is 0",
    f"2,0.0,1,1,1,{MIDNIGHT},true": "price is 0",
    f"2,1,1,5,4,{MIDNIGHT},true": "last trade id is below its first",
    f"0x10,1,1,1,1,{MIDNIGHT},true": "'x'",
    f"2.0,1,1,1,1,{MIDNIGHT},true": "agg_trade_id is '2.0'",
    f"99999999999999999999,1,1,1,1,{MIDNIGHT},true": "agg_trade_id is '99999999999999999999'",
    f"1000000000000001,1,1,1,1,{MIDNIGHT},true": "aggregate_id is above",
    f"2,1,1,1,1000000000000001,{MIDNIGHT},true": "last_trade_id is above",
    f"2,1,1,1,1,{MIDNIGHT},1": "is_buyer_maker is '1'",
    f"2,1,1,1,1,{MIDNIGHT},TRUE": "'R'",
    f"2,1,1,1,1,{MIDNIGHT},tru": "is_buyer_maker is 'tru'",
    f"2,1,1,1,1,{MIDNIGHT},": "is_buyer_maker is ''",
    f"2,1,1,1,1,{MIDNIGHT}": "6 columns instead of 7",
    f"2,1,1,1,1,{MIDNIGHT},true,true": "8 columns instead of 7",
    f"2,1,1,1,1,{MIDNIGHT},true\r": "carriage return",
    f'2,"1",1,1,1,{MIDNIGHT},true': "'\"'",
    f"2, 1,1,1,1,{MIDNIGHT},true": "' '",
    f"2,1\x00,1,1,1,{MIDNIGHT},true": r"'\\x00'",
    f"2,１,1,1,1,{MIDNIGHT},true": "no part of a trade",
    "": "1 columns instead of 7",
    HEADER: "no part of a trade",
    f"2,1,1,1,1,{MIDNIGHT * 1000},true": "not in milliseconds",
    f"2,1,1,1,1,{MIDNIGHT - 600_001},true": OUTSIDE,
    f"2,1,1,1,1,{MIDNIGHT + DAY_MS + 600_000},true": OUTSIDE,
    "2,1,1,1,1,0,true": OUTSIDE,
}


@pytest.mark.parametrize("wrong", WRONG_LINES)
def test_a_wrong_line_is_named(tmp_path: Path, wrong: str) -> None:
    for header in (True, False):
        before = 2 if header else 1
        lines = [*[HEADER] * header, GOOD, wrong, Line(3).text]
        if wrong.endswith("\r"):
            lines[before] = wrong + Line(3).text
        with pytest.raises(ArchiveUnreadable, match=WRONG_LINES[wrong].replace(".", r"\.")) as found:
            read(zipped(tmp_path, "\n".join(lines) + "\n"))
        assert found.value.line == before + 1
        assert str(found.value).startswith(f"{NAME.file} cannot be used: line {before + 1}: ")
        assert list((tmp_path / "reading").iterdir()) == []


@pytest.mark.parametrize("block_bytes", [150, 1000, 4096])
def test_the_line_is_right_in_later_blocks_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(archivezip, "BLOCK_BYTES", block_bytes)
    for place in (0, 1, 60, 99):
        for wrong in (
            Line(1, price=0).text,
            "1,x",
            "1,2",
            f"1,1e2,1,1,1,{MIDNIGHT},true",
            f"1,..,1,1,1,{MIDNIGHT},true",
        ):
            texts = [Line(number).text for number in range(100)]
            texts[place] = wrong
            with pytest.raises(ArchiveUnreadable) as found:
                read(zipped(tmp_path, "\n".join([HEADER, *texts])))
            assert found.value.line == place + 2, wrong


@pytest.mark.parametrize(
    "header",
    [
        "id,price,qty,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
        HEADER + ",is_best_match",
        HEADER.replace("price,quantity", "quantity,price"),
        "\ufeff" + HEADER,
        "<?xml version='1.0'?>",
        "\x00" * 500,
    ],
)
def test_another_header_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(ArchiveUnreadable, match="line 1: the header is") as found:
        read(zipped(tmp_path, f"{header}\n{GOOD}\n"))
    assert len(str(found.value)) < 400


def test_a_spot_archive_is_refused(tmp_path: Path) -> None:
    rows = "2807759891,42283.58,0.00069,3344774379,3344774379,1706659200000000,True,True\n"
    with pytest.raises(ArchiveUnreadable, match="line 1: 8 columns"):
        read(zipped(tmp_path, rows))


def test_an_archive_of_another_day_is_refused(tmp_path: Path) -> None:
    month = ArchiveName.monthly("BTCUSDT", date(2024, 1, 1))
    for lines, name in (([Line(1, time=MIDNIGHT - DAY_MS)], NAME), ([Line(1, time=MIDNIGHT + 2 * DAY_MS)], month)):
        with pytest.raises(ArchiveUnreadable, match="time is not in 2024-01"):
            read(archive(tmp_path, lines, name=name), name)


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


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archivezip, "BLOCK_BYTES", 1000)
    for text in ("1" * 10_000, f"{GOOD}\n" + "1" * 10_000):
        with pytest.raises(ArchiveUnreadable, match="a line of its CSV has more than"):
            read(zipped(tmp_path, text))


def test_an_empty_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnreadable, match="empty"):
        read(zipped(tmp_path, ""))


def test_rows_that_were_changed_under_the_zips_own_checksum_are_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME.file
    text = f"{GOOD}\n".encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        made.writestr("BTCUSDT-aggTrades-2024-01-31.csv", text)
    body = path.read_bytes()
    path.write_bytes(body.replace(b"42283.58", b"42283.59"))
    with pytest.raises(ArchiveUnreadable, match="CRC"):
        read(path)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    path = archive(tmp_path, [Line(1)])
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(FolderUnusable, match="choose another folder"):
        list(read_days(path, NAME, blocked / "below"))


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, [Line(1)])
    opened = Path.open

    def full(self: Path, *arguments: object, **options: object) -> object:
        target = Path("/dev/full") if self.suffix == ".rows" else self
        return opened(target, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(FolderUnusable, match="is full"):
        list(read_days(path, NAME, tmp_path / "reading"))


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


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet='0123456789.,\n\rtruefalsTF-+eE" \x00x', max_size=300)
    | st.lists(st.sampled_from([*WRONG_LINES, GOOD, HEADER]), max_size=6).map("\n".join)
    | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1"))
)
def test_any_text_is_read_or_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    lines = text.count("\n") + 1
    line = None
    try:
        days = read(zipped(tmp_path, text.encode()))
    except ArchiveUnreadable as problem:
        line, days = problem.line, []
    assert line is None or 1 <= line <= lines
    assert sum(day.day.rows + day.day.duplicates for day in days) <= lines


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
