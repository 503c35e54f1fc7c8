"""Lines of an archive: in blocks of any size, what one line after another says; or refused with the line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from hypothesis import given
from hypothesis import strategies as st

from collectors.binance.archivelisting import read_page
from collectors.binance.archivename import ArchiveName
from collectors.binance.archiveproblems import ArchiveUnreadable
from collectors.binance.archiverows import TOLERANCE_MS, RowReader
from collectors.binance.frames import MAX_ID
from dataprovider.decimals import MAX_COUNT, to_text
from tests.properties.profile import tried

NAME = ArchiveName.daily("BTCUSDT", date(2024, 1, 31))
MIDNIGHT = 1_706_659_200_000
HEADER = b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"

numbers = st.integers(0, MAX_ID).map(str)
fields = st.tuples(
    numbers,
    st.integers(1, MAX_COUNT).map(to_text),
    st.integers(0, MAX_COUNT).map(to_text),
    st.just("1"),
    numbers.map(lambda text: text if text != "0" else "1"),
    st.integers(MIDNIGHT - TOLERANCE_MS, MIDNIGHT + 86_400_000 + TOLERANCE_MS - 1).map(str),
    st.sampled_from(["true", "false", "True", "False"]),
)
odd = st.sampled_from(
    [
        "",
        "-1",
        "+1",
        " 1",
        "1e5",
        "0x1",
        "1.",
        ".5",
        "00",
        "007",
        "1.000000000",
        "9" * 25,
        '"1"',
        "\0",
        "NaN",
        "true",
        "1\r",
        "٣",
    ]
) | st.text("0123456789.,truefalse\r", max_size=8)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """A line of a trade, of which one field may be anything."""
    values = list(draw(fields))
    if draw(st.integers(0, 9)) == 0:
        values[draw(st.integers(0, 6))] = draw(odd)
    return ",".join(values)


def plain(line: str) -> tuple[int, ...] | None:
    """The trade of a line, read the slow way; None when it is none."""
    values = line.split(",")
    if len(values) != 7:
        return None
    a, p, q, f, last, t, m = values
    if not all(each.isascii() and each.isdigit() for each in (a, f, last, t)) or m not in (
        "true",
        "false",
        "True",
        "False",
    ):
        return None
    try:
        price, quantity = (_count(each) for each in (p, q))
        ints = [int(each) for each in (a, f, last, t)]
    except (ValueError, InvalidOperation):
        return None
    if max(ints[:3]) > MAX_ID or ints[2] < ints[1] or price == 0 or max(price, quantity) > MAX_COUNT:
        return None
    if not MIDNIGHT - TOLERANCE_MS <= ints[3] < MIDNIGHT + 86_400_000 + TOLERANCE_MS:
        return None
    return ints[0], price, quantity, ints[1], ints[2], ints[3], int(m in ("true", "True"))


def _count(text: str) -> int:
    count = Decimal(text).scaleb(8)
    if not text.isascii() or text.strip("0123456789.") or count != int(count):
        raise ValueError
    return int(count)


def read(text: bytes, cuts: Sequence[int]) -> tuple[list[tuple[int, ...]], int | None]:
    """Rows before the first wrong line, and that line's number (-1: it is not known)."""
    reader, found = RowReader(NAME), list[tuple[int, ...]]()
    pieces = text.splitlines(keepends=True)
    at = 0
    for cut in [*cuts, len(pieces)]:
        block = b"".join(pieces[at : at + cut])
        at += cut
        if not block:
            continue
        try:
            found += [tuple(int(value) for value in row) for row in reader.read(block).tolist()]
        except ArchiveUnreadable as problem:
            return found, problem.line or -1
    return found, None


@tried(300)
@given(st.lists(lines(), min_size=1, max_size=8), st.booleans(), st.lists(st.integers(1, 3), max_size=5))
def test_rows_are_what_their_lines_say(texts: list[str], header: bool, cuts: list[int]) -> None:
    data = HEADER * header + "".join(f"{text}\n" for text in texts).encode()
    found, wrong = read(data, cuts)
    expected = [plain(text) for text in texts]
    if None in expected:
        first = expected.index(None)
        assert wrong is not None
        # A lone carriage return splits a line for people, not for the file.
        if "\r" not in "".join(texts):
            assert wrong == first + 1 + header
        assert found == expected[: len(found)]
        assert len(found) <= first
    else:
        assert wrong is None
        assert found == expected


@tried(200)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_rows_or_refused(data: bytes) -> None:
    said = ""
    try:
        RowReader(NAME).read(data)
    except ArchiveUnreadable as problem:
        said = str(problem)
    assert len(said) < 400


S3 = "http://s3.amazonaws.com/doc/2006-03-01/"
words = st.sampled_from(
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2024-02-01T08:00:00.000Z",
        "7",
        "-1",
        "x",
        "",
        "9" * 5000,
        "1e9",
    ]
) | st.text(max_size=8)


@tried(200)
@given(words, words, words, st.booleans())
def test_a_listing_is_read_or_refused(modified: str, size: str, etag: str, more: bool) -> None:
    escaped = [each.replace("&", "&amp;").replace("<", "&lt;") for each in (modified, size, etag)]
    body = (
        f'<ListBucketResult xmlns="{S3}"><IsTruncated>{str(more).lower()}</IsTruncated><Contents>'
        f"<Key>{NAME.folder}{NAME.file}</Key><LastModified>{escaped[0]}</LastModified><Size>{escaped[1]}</Size>"
        f"<ETag>{escaped[2]}</ETag></Contents></ListBucketResult>"
    )
    try:
        page = read_page(body.encode("utf-8", "surrogatepass"), "BTCUSDT", "daily")
    except ValueError:
        return
    assert len(page.archives) == 1
