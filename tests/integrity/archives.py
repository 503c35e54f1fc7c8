"""Archives laid over those of the simulated exchange."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from dataprovider.decimals import to_text
from tests.fixtures_recovery import Stored

HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


class Overlay:
    """The folder that an exchange was started with as --archive-overlay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, date: str, trades: Iterable[Stored], symbol: str = "BTCUSDT", *, header: bool = True) -> Path:
        """An archive of these trades, in this order; a date such as 2024-03 is a month."""
        path = self.path(date, symbol)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [HEADER] if header else []
        lines += [
            f"{a},{to_text(p)},{to_text(q)},{f},{last},{at},{'true' if maker else 'false'}"
            for a, p, q, f, last, at, maker in trades
        ]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(path.name.replace(".zip", ".csv"), "\n".join(lines) + "\n")
        return path

    def remove(self, date: str, symbol: str = "BTCUSDT") -> None:
        """It was never published, or is gone."""
        self.path(date, symbol).unlink()

    def checksum(self, date: str, text: str | None, symbol: str = "BTCUSDT") -> None:
        """What stands in its checksum file; None: what is right."""
        path = self.path(date, symbol)
        beside = path.with_name(path.name + ".CHECKSUM")
        if text is None:
            beside.unlink()
        else:
            beside.write_text(text)

    def path(self, date: str, symbol: str = "BTCUSDT") -> Path:
        period = "daily" if len(date) == 10 else "monthly"
        return self.folder / period / symbol / f"{symbol}-aggTrades-{date}.zip"


def day_of_trades(date: str, first_id: int, count: int) -> list[Stored]:
    """Made-up trades spread over a day (UTC), ids without holes."""
    start = int(datetime.fromisoformat(f"{date}T00:00:00+00:00").astimezone(UTC).timestamp()) * 1000
    step = 86_400_000 // count
    return [
        (
            first_id + n,
            (60_000 + n % 97) * 10**8 + n % 10 * 10**7,
            (1 + n % 13) * 10**5,
            3 * (first_id + n),
            3 * (first_id + n) + n % 3,
            start + n * step,
            n % 2,
        )
        for n in range(count)
    ]
