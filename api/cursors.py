"""Going on where a long answer ended: cursors, and the Link header that carries them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlencode

from api.parameters import MAX_ID, MAX_TIME_MS

_FORM = re.compile(r"(t)(\d{1,13})-(\d{1,19})-(\d{1,5})|(i)(\d{1,19})-(\d{1,5})", re.ASCII)


class Way(StrEnum):
    """In which order a range of trades is walked."""

    TIME = "t"
    ID = "i"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The next trade of a walk: its time (ms; 0 when the walk goes by ids) and id.

    `given`: how many trades of just this time and id were given already, since several can stand under one id.
    """

    way: Way
    time: int
    aggregate_id: int
    given: int = 0

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """The cursor that `str` wrote; None when it is none."""
        match = _FORM.fullmatch(text)
        if match is None:
            return None
        if match[1]:
            found = cls(Way.TIME, int(match[2]), int(match[3]), int(match[4]))
        else:
            found = cls(Way.ID, 0, int(match[6]), int(match[7]))
        return found if found.time <= MAX_TIME_MS and found.aggregate_id <= MAX_ID else None

    def __str__(self) -> str:
        time = f"{self.time}-" if self.way is Way.TIME else ""
        return f"{self.way}{time}{self.aggregate_id}-{self.given}"

    def key(self, row: tuple[Any, ...]) -> tuple[int, int]:
        """What a row of a trades query is ordered by on this way."""
        return (row[5] if self.way is Way.TIME else 0, row[0])

    def page(self, rows: list[tuple[Any, ...]], limit: int) -> tuple[list[tuple[Any, ...]], Cursor | None]:
        """The first `limit` rows from here on, and where to go on when there are more.

        `rows` come in the way's order, whole keys of it but for the last one's rest, from this cursor's key on.
        """
        rows = sorted(rows, key=lambda row: (*self.key(row), row[3]))[self.given :]
        page = rows[:limit]
        if len(rows) == len(page):
            return page, None
        key = self.key(rows[limit])
        before = self.given if key == (self.time, self.aggregate_id) else 0
        return page, Cursor(self.way, *key, before + sum(self.key(row) == key for row in page))


def link(relation: str, asked: dict[str, Any], **changed: object) -> str:
    """A Link header's value (RFC 8288): the same address with these parameters changed.

    Only the query is named, so that it holds behind a proxy under any host and path.
    """
    query = {name: value for name, value in {**asked, **changed}.items() if value is not None}
    return f'<?{urlencode(query)}>; rel="{relation}"'
