"""An archive that cannot be trusted is refused with the reason and the line, and nothing of it is used."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.binance import archivezip
from collectors.binance.archive import ArchiveName, ArchiveUnreadable, FolderUnusable
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


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archivezip, "BLOCK_BYTES", 1000)
    for text in ("1" * 10_000, f"{GOOD}\n" + "1" * 10_000):
        with pytest.raises(ArchiveUnreadable, match="a line of its CSV has more than"):
            read(zipped(tmp_path, text))


def test_an_empty_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnreadable, match="empty"):
        read(zipped(tmp_path, ""))


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
