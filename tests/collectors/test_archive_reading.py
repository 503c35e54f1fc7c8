"""Archives as the exchange publishes them, with the defects they have had, come out as sorted, different trades."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from collectors.binance import archivespill, archivezip
from collectors.binance.archive import ArchiveName, ArchiveUnreadable, GaveUp
from collectors.binance.archivefile import read_days
from dataprovider.clickhouse.fingerprint import fingerprint
from tests.clickhouse.trades import Row, columns
from tests.collectors.archive_files import DAY_MS, HEADER, MIDNIGHT, NAME, Line, archive, read, zipped


def run(first_id: int, number: int, *, time: int = MIDNIGHT) -> list[Line]:
    """Contiguous trades, ten a second."""
    return [
        Line(
            first_id + place, 42_283_58000000 + place, 1000 * place + 1, 10 * place, 10 * place + 3, time + 100 * place
        )
        for place in range(number)
    ]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and chunks so small that a few rows fill many."""
    monkeypatch.setattr(archivezip, "BLOCK_BYTES", 200)
    monkeypatch.setattr(archivespill, "CHUNK", 4)


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("last_newline", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_with_and_without_a_header_and_a_last_newline(
    tmp_path: Path, header: bool, last_newline: bool, end: str
) -> None:
    trades = run(7, 50)
    text = end.join([HEADER] * header + [line.text for line in trades]) + end * last_newline
    (found,) = read(zipped(tmp_path, text))
    assert found.lines == trades
    day = found.day
    assert (day.symbol, day.day, day.rows, day.duplicates) == ("BTCUSDT", date(2024, 1, 31), 50, 0)
    assert (day.first_id, day.last_id, day.was_ordered) == (7, 56, True)


def test_pieces_have_the_size_that_was_asked_for(tmp_path: Path) -> None:
    path = archive(tmp_path, run(1, 25))
    sizes = [len(piece) for day in read_days(path, NAME, tmp_path / "r") for piece in day.pieces(10)]
    assert sizes == [10, 10, 5]


def test_decimals_are_exact_padded_or_not(tmp_path: Path) -> None:
    texts = ["0.00000001", "92233720368.54775807", "1", "1.50", "1.5", "007.25000000", "123456.7"]
    lines = [f"{place},{text},{text},1,1,{MIDNIGHT},True" for place, text in enumerate(texts)]
    (found,) = read(zipped(tmp_path, "\n".join(lines)))
    expected = [1, 2**63 - 1, 100000000, 150000000, 150000000, 725000000, 12345670000000]
    assert [line.price for line in found.lines] == expected
    assert [line.quantity for line in found.lines] == expected
    assert all(line.maker for line in found.lines)


def test_true_and_false_in_both_spellings(tmp_path: Path) -> None:
    makers = ["true", "True", "false", "False"]
    text = "\n".join(f"{place},1,1,1,1,{MIDNIGHT},{maker}" for place, maker in enumerate(makers))
    (found,) = read(zipped(tmp_path, text))
    assert [line.maker for line in found.lines] == [True, True, False, False]


@pytest.mark.usefixtures("small_pieces")
def test_exact_duplicates_are_dropped_and_counted(tmp_path: Path) -> None:
    """BTCUSDT 2022-09: every row twice in a row (issue 203)."""
    trades = run(1446230265, 30)
    (found,) = read(archive(tmp_path, [line for line in trades for _ in range(2)]))
    assert found.lines == trades
    assert (found.day.rows, found.day.duplicates, found.day.was_ordered) == (30, 30, False)


@pytest.mark.usefixtures("small_pieces")
def test_a_run_that_is_there_again_at_the_end_is_dropped(tmp_path: Path) -> None:
    trades = run(5, 40)
    (found,) = read(archive(tmp_path, trades + trades[10:30]))
    assert found.lines == trades
    assert found.day.duplicates == 20


@pytest.mark.usefixtures("small_pieces")
def test_two_runs_interleaved_row_by_row_come_out_sorted(tmp_path: Path) -> None:
    """BTCUSDT 2023-05 and others (issues 339, 288, 293)."""
    trades = run(1715206948, 60)
    mixed = [line for pair in zip(trades[:30], trades[30:], strict=True) for line in pair]
    (found,) = read(archive(tmp_path, mixed))
    assert found.lines == trades
    assert (found.day.duplicates, found.day.was_ordered) == (0, False)


def test_days_of_a_month_interleaved_with_its_end_are_each_whole(tmp_path: Path) -> None:
    first_days, last_days = run(1, 2000, time=MIDNIGHT - 30 * DAY_MS), run(9000, 2000, time=MIDNIGHT - 60_000)
    mixed = [line for pair in zip(first_days, last_days, strict=True) for line in pair]
    name = ArchiveName.monthly("BTCUSDT", date(2024, 1, 1))
    found = read(archive(tmp_path, mixed, name=name), name)
    assert [each.day.day for each in found] == [date(2024, 1, 1), date(2024, 1, 30), date(2024, 1, 31)]
    assert found[0].lines == first_days
    assert found[1].lines + found[2].lines == last_days
    assert [each.day.first_id for each in found] == [1, 9000, 9600]


def test_days_that_the_month_lacks_are_not_made_up(tmp_path: Path) -> None:
    """2022-04-24 is absent from its month (issue 140), and whole days are absent everywhere (issue 179)."""
    name = ArchiveName.monthly("BTCUSDT", date(2022, 4, 1))
    midnight = 1_648_771_200_000
    trades = run(1, 3, time=midnight + 22 * DAY_MS) + run(900, 3, time=midnight + 24 * DAY_MS)
    found = read(archive(tmp_path, trades, name=name), name)
    assert [each.day.day for each in found] == [date(2022, 4, 23), date(2022, 4, 25)]


def test_holes_in_the_ids_stay_holes(tmp_path: Path) -> None:
    """557,026 ids of BTCUSDT are missing on 2021-05-19 (issue 190)."""
    trades = run(1, 10) + run(557_037, 10, time=MIDNIGHT + 5000)
    (found,) = read(archive(tmp_path, trades))
    assert found.lines == trades
    assert (found.day.first_id, found.day.last_id, found.day.rows) == (1, 557_046, 20)
    assert found.day.was_ordered


def test_a_quantity_of_0_is_kept_as_published(tmp_path: Path) -> None:
    """BTCUSDT 2023-03-21 (issue 263)."""
    text = f"1,27000.1,0.0,1,1,{MIDNIGHT},true\n2,27000.1,0,2,2,{MIDNIGHT},true\n"
    (found,) = read(zipped(tmp_path, text))
    assert [line.quantity for line in found.lines] == [0, 0]


def test_two_trades_under_one_aggregate_id_are_both_kept(tmp_path: Path) -> None:
    """SOLUSDT 926014272, 2025-07-16."""
    one = Line(926014272, first=2468302188, last=2468302188)
    two = one._replace(first=2468302190, last=2468302190)
    for order in ([one, two], [two, one], [two, one, two, one, one]):
        (found,) = read(archive(tmp_path, order))
        assert found.lines == [one, two]
        assert (found.day.rows, found.day.duplicates) == (2, len(order) - 2)
        assert found.day.was_ordered == (order == [one, two])


@pytest.mark.parametrize("field", ["price", "quantity", "last", "time", "maker"])
def test_rows_that_differ_in_one_column_only_are_not_duplicates(tmp_path: Path, field: str) -> None:
    one = Line(5)
    other = one._replace(**{field: not one.maker if field == "maker" else getattr(one, field) + 1})
    (found,) = read(archive(tmp_path, [other, one, other, one]))
    assert sorted(found.lines) == sorted([one, other])
    assert found.day.duplicates == 2


def test_a_trade_a_little_outside_the_file_comes_in_a_day_of_its_own(tmp_path: Path) -> None:
    before, inside = Line(1, time=MIDNIGHT - 1), Line(2)
    after = Line(3, time=MIDNIGHT + DAY_MS + 599_999)
    found = read(archive(tmp_path, [before, inside, after]))
    assert [each.lines for each in found] == [[before], [inside], [after]]
    assert [each.day.day for each in found] == [date(2024, 1, 30), date(2024, 1, 31), date(2024, 2, 1)]


def test_a_file_with_a_header_only_has_no_day(tmp_path: Path) -> None:
    assert read(zipped(tmp_path, HEADER + "\n")) == []
    assert read(zipped(tmp_path, HEADER)) == []


def test_minutes_ids_and_the_fingerprint_are_those_of_the_trades(tmp_path: Path) -> None:
    trades = run(2**40, 2000)
    # A trade whose time is before that of the trade before it.
    trades[1500] = trades[1500]._replace(time=MIDNIGHT)
    path = archive(tmp_path, [*trades[1000:], *trades[:1200]])
    for day in read_days(path, NAME, tmp_path / "r"):
        assert day.ids().tolist() == [line.id for line in trades]
        assert day.ids().dtype == np.uint64
        by_minute: dict[int, list[int]] = {}
        for line in trades:
            by_minute.setdefault(line.time // 60_000 * 60, []).append(line.id)
        assert day.minutes().tolist() == [
            (minute, len(ids), min(ids), max(ids), sum(ids) % 2**64) for minute, ids in sorted(by_minute.items())
        ]
        rows = [Row(t.id, t.time, t.price, t.quantity, t.first, t.last, int(t.maker), "BTCUSDT") for t in trades]
        assert day.fingerprint() == fingerprint(columns(rows))


def test_a_days_files_are_gone_when_the_next_is_asked_for(tmp_path: Path) -> None:
    name = ArchiveName.monthly("BTCUSDT", date(2024, 1, 1))
    path = archive(tmp_path, [Line(1, time=MIDNIGHT - DAY_MS), Line(2)], name=name)
    folder = tmp_path / "r"
    days = read_days(path, name, folder)
    next(days)
    assert len(list(folder.glob("*/*"))) == 2
    next(days)
    assert len(list(folder.glob("*/*"))) == 1
    days.close()  # type: ignore[attr-defined]
    assert list(folder.iterdir()) == []


def test_giving_up_leaves_nothing_behind(tmp_path: Path) -> None:
    path = archive(tmp_path, [*run(1, 10), Line(3)])
    # At the first block, at the end of the file, while sorting.
    for patience in (0, 1, 2):
        asked = iter([False] * patience + [True] * 10)
        with pytest.raises(GaveUp):
            list(read_days(path, NAME, tmp_path / "r", give_up=lambda asked=asked: next(asked)))  # type: ignore[misc]
        assert list((tmp_path / "r").iterdir()) == []


@pytest.mark.usefixtures("small_pieces")
def test_a_thousand_rows_under_one_id_are_no_trades(tmp_path: Path) -> None:
    path = archive(tmp_path, [Line(1, first=first, last=first) for first in range(1100, 0, -1)])
    with pytest.raises(ArchiveUnreadable, match="more than 1000 times"):
        read(path)
