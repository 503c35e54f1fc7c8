"""Trades as text: stream frames, REST rows, archive rows; and text as WebSocket frames."""

from __future__ import annotations

import re

import numpy as np

from dataprovider.simulator.symbols import Contract
from dataprovider.simulator.trades import DECIMALS, Trades

STREAM_PATTERN = (
    '{"e":"aggTrade","E":<E>,"a":<a>,"s":"%s","p":"<p>","q":"<q>",<nq>"f":<f>,"l":<l>,"T":<T>,"m":<m>,"st":1}'
)
REST_PATTERN = '{"a":<a>,"p":"<p>","q":"<q>",<nq>"f":<f>,"l":<l>,"T":<T>,"m":<m>}'
#: How many frames are made at once: enough to be quick, few enough not to hold up the others.
CHUNK = 256
#: An unmasked text frame's header (RFC 6455, 5.2) by the length of what follows it.
HEADERS = tuple(
    bytes((0x81, length)) if length < 126 else b"\x81\x7e" + length.to_bytes(2, "big") for length in range(1024)
)


def websocket_frame(payload: bytes) -> bytes:
    """A text message as one unmasked frame, as servers send it."""
    length = len(payload)
    if length < len(HEADERS):
        return HEADERS[length] + payload
    if length < 65536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


class TradeText:
    """Turns trades into text by a pattern whose `<name>` stands for a field as the stream calls it."""

    def __init__(self, pattern: str, *, price_decimals: int, quantity_decimals: int) -> None:
        self._decimals = {"p": price_decimals, "q": quantity_decimals, "nq": quantity_decimals}
        pieces = re.split(r"<(\w+)>", pattern.replace("%", "%%"))
        self._names = pieces[1::2]
        formats = [self._format(name) for name in self._names]
        text = "".join(piece + form for piece, form in zip(pieces[::2], [*formats, ""], strict=True))
        self._template = text.encode()

    def _format(self, name: str) -> str:
        if name == "m":
            return "%s"
        decimals = self._decimals.get(name, 0)
        return f"%d.%0{decimals}d" if decimals else "%d"

    def texts(self, trades: Trades) -> list[bytes]:
        """One text for each trade."""
        columns: list[list[int] | list[bytes]] = []
        for name in self._names:
            columns += self._columns(name, trades)
        return list(map(self._template.__mod__, zip(*columns, strict=True)))

    def _columns(self, name: str, trades: Trades) -> list[list[int] | list[bytes]]:
        if name == "m":
            return [[b"true" if maker else b"false" for maker in trades.maker.tolist()]]
        if name in self._decimals:
            return list(self._decimal_columns(name, trades))
        plain = {"a": trades.id, "f": trades.first, "l": trades.last, "T": trades.time, "E": trades.event}[name]
        return [plain.tolist()]

    def _decimal_columns(self, name: str, trades: Trades) -> list[list[int]]:
        values = {"p": trades.price, "q": trades.quantity, "nq": trades.normal}[name]
        if values is None:
            raise ValueError("these trades have no quantity without RPI fills")
        decimals = self._decimals[name]
        shown = values // 10 ** (DECIMALS - decimals)
        if not decimals:
            return [shown.tolist()]
        whole, fraction = np.divmod(shown, 10**decimals)
        return [whole.tolist(), fraction.tolist()]


def rest_text(contract: Contract, *, has_normal: bool) -> TradeText:
    """Rows of /fapi/v1/aggTrades."""
    return _text(contract, REST_PATTERN, has_normal=has_normal)


def stream_text(contract: Contract, *, wrapped: bool, has_normal: bool) -> TradeText:
    """Payloads of the aggTrade stream, wrapped with the stream's name or raw."""
    pattern = STREAM_PATTERN % contract.symbol
    if wrapped:
        pattern = f'{{"stream":"{contract.stream_symbol}@aggTrade","data":{pattern}}}'
    return _text(contract, pattern, has_normal=has_normal)


def _text(contract: Contract, pattern: str, *, has_normal: bool) -> TradeText:
    return TradeText(
        pattern.replace("<nq>", '"nq":"<nq>",' if has_normal else ""),
        price_decimals=contract.price_decimals,
        quantity_decimals=contract.quantity_decimals,
    )


class FrameMaker:
    """Makes a contract's stream frames."""

    def __init__(self, contract: Contract, *, has_normal: bool) -> None:
        self._wrapped = stream_text(contract, wrapped=True, has_normal=has_normal)
        self._raw = stream_text(contract, wrapped=False, has_normal=has_normal)

    def payloads(self, trades: Trades, *, wrapped: bool) -> list[bytes]:
        return (self._wrapped if wrapped else self._raw).texts(trades)


class TradeFrames:
    """The frames of a row of trades, made when first asked for and read in order, chunk by chunk."""

    __slots__ = ("_chunks", "_maker", "trades")

    def __init__(self, maker: FrameMaker, trades: Trades) -> None:
        self._maker = maker
        self.trades = trades
        self._chunks: dict[bool, tuple[int, bytes, list[int]]] = {}

    def joined(self, start: int, end: int, *, wrapped: bool) -> bytes:
        """The frames of trades start..end-1, ready for the socket."""
        parts = []
        while start < end:
            chunk = start // CHUNK
            first = chunk * CHUNK
            stop = min(end, first + CHUNK)
            _, blob, offsets = self._chunk(chunk, wrapped=wrapped)
            parts.append(blob[offsets[start - first] : offsets[stop - first]])
            start = stop
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def payloads(self, start: int, end: int, *, wrapped: bool) -> list[bytes]:
        """The messages of trades start..end-1, one by one."""
        return self._maker.payloads(self.trades.cut(start, end), wrapped=wrapped)

    def _chunk(self, chunk: int, *, wrapped: bool) -> tuple[int, bytes, list[int]]:
        found = self._chunks.get(wrapped)
        if found is None or found[0] != chunk:
            cut = self.trades.cut(chunk * CHUNK, (chunk + 1) * CHUNK)
            frames = list(map(websocket_frame, self._maker.payloads(cut, wrapped=wrapped)))
            offsets = [0]
            total = 0
            for size in map(len, frames):
                total += size
                offsets.append(total)
            found = self._chunks[wrapped] = (chunk, b"".join(frames), offsets)
        return found


def unpadded(values: np.ndarray) -> list[str]:
    """Counts of 10^-8 as the archives write them: no zeros at the end."""
    whole, fraction = np.divmod(values, 10**DECIMALS)
    return [f"{w}.{f:08d}".rstrip("0") if f else str(w) for w, f in zip(whole.tolist(), fraction.tolist(), strict=True)]


def archive_rows(trades: Trades) -> bytes:
    """CSV rows of an archive, without the header line."""
    columns = (
        trades.id.tolist(),
        unpadded(trades.price),
        unpadded(trades.quantity),
        trades.first.tolist(),
        trades.last.tolist(),
        trades.time.tolist(),
        ["true" if maker else "false" for maker in trades.maker.tolist()],
    )
    return "".join(map("%d,%s,%s,%d,%d,%d,%s\n".__mod__, zip(*columns, strict=True))).encode()
