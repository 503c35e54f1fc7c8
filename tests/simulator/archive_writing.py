"""Archives for the tests, in Binance's layout."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
Row = tuple[int, str, str, int, int, int, str]


def write_archive(
    folder: Path, symbol: str, date: str, rows: Iterable[Row], *, header: bool = True, period: str = "daily"
) -> Path:
    """A zip with its checksum below `folder`; the path of the zip."""
    name = f"{symbol}-aggTrades-{date}"
    place = folder / "futures" / "um" / period / "aggTrades" / symbol
    place.mkdir(parents=True, exist_ok=True)
    lines = [HEADER] if header else []
    lines += [",".join(map(str, row)) for row in rows]
    path = place / f"{name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.csv", "\n".join(lines) + "\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return path


def rows_from(first_id: int, first_ms: int, count: int, *, step_ms: int = 20) -> list[Row]:
    """Trades with unpadded decimals of different lengths."""
    prices, quantities = ("42283.58", "42283.5", "42284"), ("0.00069", "1.5", "12")
    return [
        (
            first_id + number,
            prices[number % 3],
            quantities[number % 3],
            10 * (first_id + number),
            10 * (first_id + number) + number % 4,
            first_ms + number * step_ms,
            "true" if number % 2 else "false",
        )
        for number in range(count)
    ]
