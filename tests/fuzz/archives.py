"""Archives, their rows and their listing: `python -m tests.fuzz.archives --seconds 60`."""

from __future__ import annotations

import datetime
import io
import logging
import tempfile
import zipfile
from pathlib import Path

from tests.fuzz.driver import Check, must_be_short, run

MIDNIGHT = 1_706_659_200_000
HEADER = b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
ROWS = b"".join(b"%d,42283.58,0.00069,%d,%d,%d,%s\n" % (n, n, n, MIDNIGHT + n, b"true") for n in range(3))
LISTING = (
    b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated><Contents><Key>'
    b"data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-31.zip</Key><LastModified>2024-02-01T08:00:00Z"
    b'</LastModified><ETag>"e"</ETag><Size>7</Size></Contents></ListBucketResult>'
)


def _zip(text: bytes, member: str = "BTCUSDT-aggTrades-2024-01-31.csv") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(member, text)
    return made.getvalue()


#: The first byte says what the rest is: the rows, a zip, the rows in a zip, or a listing.
SEEDS = [
    b"\0" + HEADER + ROWS,
    b"\0" + ROWS,
    b"\1" + _zip(HEADER + ROWS),
    b"\1" + _zip(ROWS, "../x.csv"),
    b"\2" + ROWS,
    b"\3" + LISTING,
]
#: What was found once.
FOUND = [
    # No UTC can say what time this is.
    b"\3" + LISTING.replace(b"2024-02-01T08:00:00Z", b"0001-01-01T00:00:00+14:00"),
    b"\3" + LISTING.replace(b"2024-02-01T08:00:00Z", b"9999-12-31T23:59:59-14:00"),
]


def target() -> Check:
    """Whatever the bytes, they are read or refused in a sentence, and nothing is left in the folder."""
    from collectors.binance.archivefile import read_days
    from collectors.binance.archivelisting import read_page
    from collectors.binance.archivename import ArchiveName
    from collectors.binance.archiveproblems import ArchiveProblem, ArchiveUnreadable
    from collectors.binance.archiverows import RowReader

    logging.disable()
    name = ArchiveName.daily("BTCUSDT", datetime.date(2024, 1, 31))
    folder = Path(tempfile.mkdtemp(prefix="fuzz-archives-"))
    path = folder / name.file

    def rows(data: bytes) -> None:
        try:
            found = RowReader(name).read(data)
        except ArchiveUnreadable as problem:
            must_be_short(problem, 500)
        else:
            assert len(found) <= data.count(b"\n") + 1

    def archive(data: bytes) -> None:
        path.write_bytes(data)
        try:
            days = [(day.rows, sum(len(piece) for piece in day.pieces())) for day in read_days(path, name, folder)]
        except ArchiveProblem as problem:
            must_be_short(problem, 700)
        else:
            assert all(one == other for one, other in days)
        assert [each.name for each in folder.iterdir()] == [name.file]

    def listing(data: bytes) -> None:
        try:
            read_page(data, "BTCUSDT", "daily")
        except ValueError:
            return

    def check(data: bytes) -> None:
        kind, rest = data[0] % 4 if data else 0, data[1:]
        if kind == 2:
            rest = _zip(rest)
        (rows, archive, archive, listing)[kind](rest)

    return check


if __name__ == "__main__":
    run(target, [*SEEDS, *FOUND])
