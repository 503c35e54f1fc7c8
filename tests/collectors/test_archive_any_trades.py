"""Any trades, written as an archive in any order and some of them twice, come back as the sorted set."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.binance import archivespill, archivezip
from collectors.binance.archive import ArchiveName
from tests.collectors.archive_files import DAY_MS, MIDNIGHT, Line, archive, read

MONTH = ArchiveName.monthly("BTCUSDT", date(2024, 1, 1))
#: Few ids and few values, so that trades share some columns; and now and then the largest.
ID = st.integers(0, 30) | st.integers(0, 10**15)
COUNT = st.integers(1, 3) | st.integers(1, 2**63 - 1)
#: Around two midnights of the month, and up to ten minutes beyond its end.
TIME = st.sampled_from([MIDNIGHT, MIDNIGHT + DAY_MS]).flatmap(
    lambda edge: st.integers(edge - 3, edge + 3)
) | st.integers(MIDNIGHT - 30 * DAY_MS - 600_000, MIDNIGHT + DAY_MS + 599_999)


@st.composite
def lines(draw: st.DrawFn) -> Line:
    first, last = sorted((draw(ID), draw(ID)))
    quantity = draw(COUNT | st.just(0))
    return Line(draw(ID), draw(COUNT), quantity, first, last, draw(TIME), draw(st.booleans()))


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and chunks so small that a few rows fill many."""
    monkeypatch.setattr(archivezip, "BLOCK_BYTES", 256)
    monkeypatch.setattr(archivespill, "CHUNK", 3)


@pytest.mark.usefixtures("small_pieces")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), header=st.booleans(), size=st.integers(1, 5))
def test_they_come_back_as_the_sorted_set(tmp_path: Path, data: st.DataObject, header: bool, size: int) -> None:
    trades = data.draw(st.lists(lines(), min_size=1, max_size=40))
    twice = data.draw(st.lists(st.sampled_from(trades), max_size=20))
    written = data.draw(st.permutations(trades + twice))
    days = read(archive(tmp_path, written, name=MONTH, header=header), MONTH, size=size)

    expected: dict[int, list[Line]] = {}
    for line in sorted(set(trades), key=lambda line: (line.id, line.first)):
        expected.setdefault(line.time // DAY_MS, []).append(line)
    assert [each.day.day for each in days] == [date.fromordinal(719_163 + number) for number in sorted(expected)]
    for each, number in zip(days, sorted(expected), strict=True):
        assert [(line.id, line.first) for line in each.lines] == [(line.id, line.first) for line in expected[number]]
        assert sorted(each.lines) == sorted(expected[number])
        of_day = [line for line in written if line.time // DAY_MS == number]
        assert (each.day.rows, each.day.duplicates) == (len(each.lines), len(of_day) - len(each.lines))
        assert (each.day.first_id, each.day.last_id) == (each.lines[0].id, each.lines[-1].id)
        keys = [(line.id, line.first) for line in of_day]
        assert each.day.was_ordered == (keys == sorted(set(keys)))
