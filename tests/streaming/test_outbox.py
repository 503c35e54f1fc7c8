"""What waits for a client is bounded: the frame too many is noticed at once, whatever the socket says."""

from __future__ import annotations

import asyncio

from api.streaming.outbox import Outbox


def test_one_frame_too_many_is_an_overflow_and_none_is_kept_for_it() -> None:
    async def filled() -> tuple[bool, bool, list[str]]:
        outbox = Outbox(3)
        for number in range(3):
            outbox.put(str(number))
        before = outbox.overflown.is_set()
        outbox.put("too many")
        return before, outbox.overflown.is_set(), [await outbox.next() for _ in range(3)]

    assert asyncio.run(filled()) == (False, True, ["0", "1", "2"])
