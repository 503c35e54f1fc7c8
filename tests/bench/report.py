"""The table, the JSON object, and the page in docs/."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from dataprovider.clickhouse import ClickHouse
from tests.bench.figure import Figure, Sample

PAGE = Path(__file__).resolve().parents[2] / "docs" / "PERFORMANCE.md"
#: What --json gives, always all of them: null for what was not measured.
KEYS = (
    "insert_rows_per_s",
    "insert_original_rows_per_s",
    "live_trades_per_s",
    "live_missing",
    "archive_trades_per_s",
    "candles_month_173m_ms",
    "candles_month_173m_naive_ms",
    "rest_candles_p50_ms",
    "rest_candles_per_s",
    "frame_to_client_ms",
    "integrity_all_ms",
    "integrity_naive_ms",
    "bytes_per_trade",
    "bytes_per_trade_original_ddl",
    "fanout_frames_per_s",
    "fanout_p99_ms",
    "worker_rss_mb",
    "start_to_first_candle_s",
)
#: Keys that are the original's way beside a figure of ours.
ORIGINALS = {
    "insert_original_rows_per_s": "insert_rows_per_s",
    "candles_month_173m_naive_ms": "candles_month_173m_ms",
    "integrity_naive_ms": "integrity_all_ms",
    "bytes_per_trade_original_ddl": "bytes_per_trade",
}


def as_json(figures: Sequence[Figure]) -> dict[str, object]:
    """One object with exactly KEYS."""
    known = {each.name: each for each in figures}

    def value(key: str) -> object:
        if key == "frame_to_client_ms":
            return {part: value(f"{key}.{part}") for part in ("p50", "p99")}
        figure = known.get(ORIGINALS.get(key, key))
        if figure is None:
            return None
        sample = figure.original if key in ORIGINALS else figure.ours
        return None if sample is None else round(sample.median, 2)

    return {key: value(key) for key in KEYS}


def as_table(figures: Sequence[Figure]) -> str:
    """For a terminal: a line for each figure, and under it the work."""
    lines = [f"{'what':<44}{'here':>20}{'spread':>22}{'original’s way':>16}{'':>8}  to reach"]
    for each in figures:
        original = _number(each.original.median) if each.original else "–"
        ratio = f"{each.ratio:.1f}×" if each.ratio else ""
        here = f"{_number(each.ours.median)} {each.unit}"
        lines.append(
            f"{each.what:<44}{here:>20}{_spread(each.ours):>22}{original:>16}{ratio:>8}  {_goal(each)}".rstrip()
        )
        lines += [f"    {text}" for text in _explained(each)]
    return "\n".join(lines)


def write_page(figures: Sequence[Figure], *, quick: bool, store: ClickHouse) -> None:
    """Put the figures between the marks of the page; what people wrote around them stays."""
    rows = [
        "| what | here, median | spread | the original's way | ratio | to reach | reached |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    for each in figures:
        original = f"{_number(each.original.median)} {each.unit}" if each.original else "–"
        ratio = f"{each.ratio:.1f}×" if each.ratio else ""
        reached = {True: "yes", False: "**no**", None: ""}[each.is_reached]
        here = f"{_number(each.ours.median)} {each.unit}"
        rows.append(
            f"| {each.what} | {here} | {_spread(each.ours)} | {original} | {ratio} | {_goal(each)} | {reached} |"
        )
    work = [f"- *{each.what}*: {'; '.join(_explained(each))}." for each in figures if _explained(each)]
    kind = "a quick run (`make bench ARGS='--quick --write'`)" if quick else "a full run (`make bench ARGS=--write`)"
    text = "\n".join([f"Measured by {kind}: {machine(store)}.", "", *rows, "", "The work behind each:", "", *work])
    before, _, rest = PAGE.read_text().partition("<!-- bench -->\n")
    _, _, after = rest.partition("<!-- /bench -->")
    PAGE.write_text(f"{before}<!-- bench -->\n{text}\n<!-- /bench -->{after}")


def machine(store: ClickHouse) -> str:
    """What this was measured on, and how busy that was."""
    version = store.query("store_size")[0][0]
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {psutil.cpu_count()} cores for everything, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release().partition('-')[0]}, Python {platform.python_version()}, "
        f"ClickHouse {version}; load average at the end {load:.1f}"
    )


def _processor() -> str:
    try:
        names = re.findall(
            r"^Model name:\s*(.+)$", subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout, re.M
        )
    except (OSError, subprocess.CalledProcessError):
        names = []
    return names[0] if names else platform.machine()


def _explained(figure: Figure) -> list[str]:
    said = [figure.note] if figure.note else []
    if figure.original_name:
        said.append(f"the original's way: {figure.original_name}")
    if figure.peer is not None:
        said.append(f"{figure.peer_name}: {_number(figure.peer.median)} {figure.unit}")
    return said


def _goal(figure: Figure) -> str:
    if figure.at_least is not None:
        return f"≥ {_number(figure.at_least)}"
    return "" if figure.at_most is None else f"≤ {_number(figure.at_most)}"


def _spread(sample: Sample) -> str:
    low, high = sample.spread
    return "" if len(sample.values) < 2 else f"{_number(low)} – {_number(high)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
