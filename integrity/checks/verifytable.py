"""What `verify` shows to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from integrity.checks.ids import Range, size
from integrity.checks.verify import SymbolReport
from integrity.checks.verifydays import Comparison

#: So many ranges of a symbol are written out.
MOST_RANGES = 10


def lines(reports: Sequence[SymbolReport]) -> Iterator[str]:
    """A line for each symbol, the ranges that something is wrong with below it, and a last line for all."""
    if not reports:
        yield "No trade is stored."
        return
    rows: list[tuple[str, ...]] = [("symbol", "first id", "last id", "count", "missing", "twice", "absent", "complete")]
    rows += [_cells(report) for report in reports]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells)
        if number:
            yield from _below(reports[number - 1])
    whole = sum(report.complete for report in reports)
    yield f"{whole} of {len(reports)} complete."
    if any(report.collected for report in reports):
        yield "What is being collected was judged but for its newest minute."


def _cells(report: SymbolReport) -> tuple[str, ...]:
    absent = size((first, last) for first, last, _ in report.absent)
    return (
        report.symbol,
        "–" if report.first_id is None else str(report.first_id),
        "–" if report.last_id is None else str(report.last_id),
        str(report.count),
        str(size(report.missing)),
        str(report.duplicates),
        str(absent),
        "yes" if report.complete else "NO",
    )


def _below(report: SymbolReport) -> Iterator[str]:
    if report.missing:
        yield f"    missing: {_ranges(report.missing)}"
    if report.absent:
        yield f"    absent upstream: {_ranges([(first, last) for first, last, _ in report.absent])}"
    if report.archive is None:
        return
    counted = Counter(verdict.comparison for verdict in report.archive)
    yield f"    archive: {', '.join(f'{counted[each]} days {_word(each)}' for each in Comparison if counted[each])}"
    for verdict in report.archive:
        if verdict.comparison is Comparison.EQUAL or (
            verdict.comparison is Comparison.NO_ARCHIVE and counted[Comparison.NO_ARCHIVE] > MOST_RANGES
        ):
            continue
        parts = [
            f"{name} {_ranges(found)}"
            for name, found in (
                ("not stored", verdict.missing),
                ("only stored", verdict.extra),
                ("other content", verdict.changed),
            )
            if found
        ]
        yield f"    {verdict.day}: {'; '.join([_word(verdict.comparison), *parts, *filter(None, [verdict.note])])}"


def _word(comparison: Comparison) -> str:
    return comparison.value.replace("_", " ")


def _ranges(ranges: Sequence[Range]) -> str:
    shown = ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in ranges[:MOST_RANGES])
    return f"{shown} and {len(ranges) - MOST_RANGES} more ranges" if len(ranges) > MOST_RANGES else shown
