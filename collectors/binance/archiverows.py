"""Lines of an archive's CSV to rows of exact integers, as many at once as there are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

import numpy as np
import numpy.typing as npt
import pyarrow
from pyarrow import csv

from collectors.binance.archivename import ArchiveName
from collectors.binance.archiveproblems import ArchiveUnreadable
from collectors.binance.frames import MAX_ID, MAX_TIME
from dataprovider.decimals import PLACES

#: A trade. Price and quantity are counts of 10^-8; the time is in ms since 1970.
ROW = np.dtype(
    [
        ("aggregate_id", "u8"),
        ("price", "i8"),
        ("quantity", "i8"),
        ("first_trade_id", "u8"),
        ("last_trade_id", "u8"),
        ("timestamp", "i8"),
        ("is_buyer_maker", "u1"),
    ]
)
Rows = npt.NDArray[np.void]

#: A trade may be so far outside the period its file is of.
TOLERANCE_MS = 600_000
_DAY_MS = 86_400_000
_DECIMAL = pyarrow.decimal128(19, PLACES)
#: The file's columns in their order, and what they are read as.
_COLUMNS = {
    "agg_trade_id": pyarrow.uint64(),
    "price": _DECIMAL,
    "quantity": _DECIMAL,
    "first_trade_id": pyarrow.uint64(),
    "last_trade_id": pyarrow.uint64(),
    "transact_time": pyarrow.int64(),
    "is_buyer_maker": pyarrow.bool_(),
}
_HEADER = ",".join(_COLUMNS).encode()
#: Every byte that may stand behind the header. The reader of numbers alone would take spaces, signs and hexadecimals.
_ALPHABET = b"0123456789.,\r\ntruefalsTF"
_PARSE = csv.ParseOptions(quote_char=False, escape_char=False, ignore_empty_lines=False)
_CONVERT = csv.ConvertOptions(
    column_types=_COLUMNS,
    null_values=[],
    true_values=["true", "True"],
    false_values=["false", "False"],
    check_utf8=False,
)
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_ROW_NUMBER = re.compile(r"Row #(\d+)")
_COLUMN_NUMBER = re.compile(r"In CSV column #(\d+)")


class RowReader:
    """Reads the lines of one archive, block by block, from its first to its last."""

    def __init__(self, name: ArchiveName) -> None:
        self._name = name
        midnights = (datetime.combine(day, time(), UTC) for day in (name.first_day, name.last_day))
        first, last = (int(midnight.timestamp()) * 1000 for midnight in midnights)
        self._since, self._until = first - TOLERANCE_MS, last + _DAY_MS + TOLERANCE_MS
        #: The line that comes next, from 1.
        self._line = 1

    def read(self, block: bytes) -> Rows:
        """The rows of the next lines, which are whole; a header on the first of all is passed over.

        Raises ArchiveUnreadable with the number of the line that is wrong.
        """
        if self._line == 1 and not block[:1].isdigit():
            header, _, block = block.partition(b"\n")
            if header.removesuffix(b"\r") != _HEADER:
                raise self._unreadable(f"the header is {_shown(header)}", 0)
            self._line = 2
        if not block:
            return np.empty(0, ROW)
        self._check_bytes(block)
        rows = self._parse(block)
        # Each row has the one of true or false; another is an exponent, and 1e3 is not how the exchange says 1000.
        if np.count_nonzero(np.frombuffer(block, np.uint8) == ord("e")) != len(rows):
            wrong = next(place for place, text in enumerate(block.split(b"\n")) if text.count(b"e") != 1)
            raise self._unreadable("it has a number with an exponent", wrong)
        self._check_values(rows)
        self._line += len(rows)
        return rows

    def _check_bytes(self, block: bytes) -> None:
        wrong = block.translate(None, delete=_ALPHABET)[:1]
        if wrong:
            before = block[: block.index(wrong)].count(b"\n")
            raise self._unreadable(f"the byte {_shown(wrong)} is no part of a trade", before)
        alone = _LONE_RETURN.search(block) if b"\r" in block else None
        if alone:
            before = block[: alone.start()].count(b"\n")
            raise self._unreadable("a carriage return stands alone", before)

    def _parse(self, block: bytes) -> Rows:
        # One block of the size of the data: a row's number in a message is then its number in `block`.
        options = csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=list(_COLUMNS))
        try:
            table = csv.read_csv(pyarrow.BufferReader(block), options, _PARSE, _CONVERT)
        except pyarrow.ArrowInvalid as error:
            raise self._explained(block, str(error)) from None
        rows = np.empty(table.num_rows, ROW)
        for target, source in zip(ROW.names or (), table.columns, strict=True):
            column = source.combine_chunks()
            if column.type == _DECIMAL:
                rows[target] = self._counts(target, column)
            elif column.type == pyarrow.bool_():
                rows[target] = column.cast(pyarrow.uint8()).to_numpy()
            else:
                rows[target] = column.to_numpy()
        return rows

    def _counts(self, what: str, column: pyarrow.Array) -> npt.NDArray[np.int64]:
        """The low half of each 128-bit integer; the high half must be empty, and the low one's sign too."""
        halves = np.frombuffer(column.buffers()[1], np.int64).reshape(-1, 2)[
            column.offset : column.offset + len(column)
        ]
        low, high = halves[:, 0], halves[:, 1]
        self._refuse((high != 0) | (low < 0), f"its {what} is larger than 92233720368.54775807")
        return low

    def _check_values(self, rows: Rows) -> None:
        times = rows["timestamp"]
        self._refuse(times >= MAX_TIME, "its time is not in milliseconds (a spot archive?)")
        outside = (times < self._since) | (times >= self._until)
        self._refuse(outside, f"its time is not in {self._name.date}")
        for field in ("aggregate_id", "first_trade_id", "last_trade_id"):
            self._refuse(rows[field] > MAX_ID, f"its {field} is above {MAX_ID}")
        self._refuse(rows["last_trade_id"] < rows["first_trade_id"], "its last trade id is below its first")
        self._refuse(rows["price"] == 0, "its price is 0")

    def _refuse(self, wrong: npt.NDArray[np.bool_], reason: str) -> None:
        if wrong.any():
            raise self._unreadable(reason, int(wrong.argmax()))

    def _explained(self, block: bytes, message: str) -> ArchiveUnreadable:
        """What the CSV reader said, in terms of the file."""
        number, column = _ROW_NUMBER.search(message), _COLUMN_NUMBER.search(message)
        if not number:
            return self._unreadable(message, 0)
        row = int(number[1])
        line = block.split(b"\n", row)[row - 1].removesuffix(b"\r")
        columns = line.count(b",") + 1
        if column is None or columns != len(_COLUMNS):
            reason = f"{columns} columns instead of {len(_COLUMNS)}"
        else:
            place = int(column[1])
            fields = line.split(b",")
            reason = f"{list(_COLUMNS)[place]} is {_shown(fields[place])}"
            if "data loss" in message:
                reason += f", which has more than {PLACES} decimals"
        return self._unreadable(reason, row - 1)

    def _unreadable(self, reason: str, place: int) -> ArchiveUnreadable:
        """For the line that is `place` lines behind the first of the block."""
        return ArchiveUnreadable(self._name.file, reason, self._line + place)


def _shown(data: bytes) -> str:
    return repr(data[:60].decode("utf-8", "backslashreplace")) + ("…" if len(data) > 60 else "")
