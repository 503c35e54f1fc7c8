"""Reading what the archives' bucket answers to "list", Amazon S3's XML of version 1."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from datetime import UTC, datetime

from collectors.binance.archivename import ArchiveName

#: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
_S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass(frozen=True, slots=True)
class Listed:
    """An archive as the bucket lists it: `etag` without quotes, `size` in bytes, `modified_ms` since 1970."""

    name: ArchiveName
    etag: str
    size: int
    modified_ms: int


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: the archives on it, and after which key the next one begins ("" when this is the last)."""

    archives: list[Listed]
    next_marker: str


def read_page(body: bytes, symbol: str, period: str) -> Page:
    """The archives of one contract and period on a page; other keys, such as checksums, are passed over.

    Raises ValueError, with a clause that says why, for what is no listing.
    """
    # As text, so that no declared encoding can hide it; without a DOCTYPE there are no entities that could grow.
    text = body.decode("utf-8")
    if "<!DOCTYPE" in text:
        raise ValueError("it declares a DOCTYPE")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"it is not XML ({error})") from None
    if root.tag != f"{_S3}ListBucketResult":
        raise ValueError(f"it is a <{root.tag.rpartition('}')[2]}>")
    contents = list(root.iter(f"{_S3}Contents"))
    archives = [found for found in (_listed(item, symbol, period) for item in contents) if found]
    if root.findtext(f"{_S3}IsTruncated") != "true":
        return Page(archives, "")
    keys = [item.findtext(f"{_S3}Key") or "" for item in contents]
    # Amazon names the next marker only when a delimiter was asked for.
    marker = root.findtext(f"{_S3}NextMarker") or (keys[-1] if keys else "")
    if not marker:
        raise ValueError("there is more, but it does not say after what")
    return Page(archives, marker)


def _listed(item: ElementTree.Element, symbol: str, period: str) -> Listed | None:
    file = (item.findtext(f"{_S3}Key") or "").rpartition("/")[2]
    date = file.removeprefix(f"{symbol}-aggTrades-").removesuffix(".zip")
    try:
        name = ArchiveName(symbol, period, date)
    except ValueError:
        return None
    if name.folder + name.file != item.findtext(f"{_S3}Key"):
        return None
    try:
        modified = datetime.fromisoformat(item.findtext(f"{_S3}LastModified") or "").astimezone(UTC)
    except OverflowError:
        raise ValueError("a time in it is no time") from None
    return Listed(
        name,
        (item.findtext(f"{_S3}ETag") or "").strip('"'),
        int(item.findtext(f"{_S3}Size") or ""),
        round(modified.timestamp() * 1000),
    )
