"""Amazon S3's answer to "list the bucket", version 1: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

BUCKET = "data.binance.vision"
MOST_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    size: int
    etag: str
    modified: datetime


def list_bucket(entries: Iterable[Entry], prefix: str, delimiter: str, marker: str, most: int | None) -> str:
    """One page in XML: keys after `marker`, those sharing a prefix up to the delimiter as one common prefix."""
    page_size = MOST_KEYS if most is None else min(most, MOST_KEYS)
    found: dict[str, Entry | None] = {}
    for entry in sorted(entries, key=lambda item: item.key.encode()):
        if not entry.key.startswith(prefix):
            continue
        cut = entry.key.find(delimiter, len(prefix)) if delimiter else -1
        name, value = (entry.key, entry) if cut < 0 else (entry.key[: cut + len(delimiter)], None)
        # A marker inside a common prefix is past all of it.
        if name.encode() > marker.encode() and not (value is None and marker.startswith(name)):
            found[name] = value
    names = list(found)
    page = names[:page_size]
    truncated = len(names) > len(page)
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
        _tag("Name", BUCKET),
        _tag("Prefix", prefix),
        _tag("Marker", marker),
        # Amazon names the next marker only with a delimiter; without, it is the last key.
        _tag("NextMarker", page[-1]) if truncated and page and delimiter else "",
        _tag("MaxKeys", str(page_size)),
        _tag("Delimiter", delimiter) if delimiter else "",
        _tag("IsTruncated", "true" if truncated else "false"),
    ]
    parts += [_contents(entry) for entry in map(found.get, page) if entry is not None]
    parts += [f"<CommonPrefixes>{_tag('Prefix', name)}</CommonPrefixes>" for name in page if found[name] is None]
    return "".join(parts) + "</ListBucketResult>"


def _contents(entry: Entry) -> str:
    return (
        "<Contents>"
        + _tag("Key", entry.key)
        + _tag("LastModified", f"{entry.modified:%Y-%m-%dT%H:%M:%S.000Z}")
        + _tag("ETag", f'"{entry.etag}"')
        + _tag("Size", str(entry.size))
        + _tag("StorageClass", "STANDARD")
        + "</Contents>"
    )


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text, {chr(34): '&quot;'})}</{name}>"
