"""A whole HTTP answer in memory, but neither more of it than makes sense nor for longer."""

from __future__ import annotations

import time

import requests
import urllib3

#: Read at once: what a compressed answer becomes is looked at after each.
PIECE_BYTES = 16_384


class BodyUnusable(Exception):
    """The body is too long, takes too long, or broke off; `str()` is a clause."""


def whole_body(answer: requests.Response, most_bytes: int, most_seconds: float) -> bytes:
    """The body of an answer that was asked for with `stream=True`, decompressed; its connection can be used again.

    Raises BodyUnusable, at the latest after `most_seconds` and one timeout of the socket.
    """
    pieces: list[bytes] = []
    size, until = 0, time.monotonic() + most_seconds
    try:
        while piece := answer.raw.read1(PIECE_BYTES, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > most_bytes:
                raise BodyUnusable(f"is longer than {most_bytes} bytes")
            if time.monotonic() > until:
                raise BodyUnusable(f"was not there after {most_seconds:g} s")
        # Only what requests has seen to the end gives its connection back.
        pieces.append(answer.content)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise BodyUnusable(f"broke off ({type(error).__name__})") from error
    return b"".join(pieces)
