"""The frames of the exchange, and the byte stream that they come in: `python -m tests.fuzz.frames --seconds 60`."""

from __future__ import annotations

from tests.fuzz.driver import Check, run

TRADE = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1791382992488,"a":3477868433,"s":"BTCUSDT","p":"83091.70",'
    b'"q":"0.022","nq":"0.022","f":8153634393,"l":8153634394,"T":1791382992338,"m":false,"st":1}}'
)
#: The first byte says what the rest is: frames (even) with 0xFF between them, or a stream (odd).
SEEDS = [
    b"\0" + TRADE,
    b"\0" + TRADE + b"\xff" + TRADE,
    b'\0{"result":null,"id":1}\xff{"error":{"code":4,"msg":"x"},"id":2}',
    b"\1\x81\x7e\x00\xe5" + TRADE,
    b"\1\x01\x02ab\x80\x01c\x89\x01p\x88\x04\x03\xe8no",
    b"\1\x81\x7f\0\0\0\0\0\0\0\x02{}\x81\x02{}",
]
#: What was found once.
FOUND = [
    # Parsed as one list, two halves made a whole of what stood between them.
    b"\0[0\xff" + TRADE + b"\xff1],0,0",
    b"\0[0\xff" + TRADE + b"\xff1],0,0,0,0",
    # A goodbye, and nonsense behind it: read or not, as the network cut it.
    b"\1\x88\x02\x03\xe8\xc1\x01x",
    b"\1\x89\x7e\x01\x00" + b"p" * 256,
    b"\1\x01\x00" + b"\0\0" * 2000,
]


def target() -> Check:
    """Whatever the bytes, frames are trades within bounds, answers or letters; together as each alone."""
    from collectors.binance import frames, stream

    def streamed(data: bytes, size: int) -> tuple[list[bytes], str]:
        reader, got = stream.FrameReader(), list[bytes]()
        for at in range(0, len(data), size):
            try:
                reader.feed(data[at : at + size], got)
            except stream.StreamClosed as end:
                return got, str(end)
            if reader.close_reason is not None:
                return got, reader.close_reason
            assert sum(map(len, reader.take_pings())) <= stream.MAX_CONTROL_BYTES
        return got, ""

    def check(data: bytes) -> None:
        kind, rest = data[:1], data[1:]
        if kind and kind[0] % 2:
            whole = streamed(rest, len(rest) or 1)
            assert whole == streamed(rest, 1) == streamed(rest, 7)
            payloads = whole[0]
        else:
            payloads = rest.split(b"\xff")
        together = frames.decode(payloads, {"BTCUSDT"})
        alone = [frames.decode([each], {"BTCUSDT"}) for each in payloads]
        assert together.trades == [trade for each in alone for trade in each.trades]
        assert together.rejected == [letter for each in alone for letter in each.rejected]
        assert len(together.trades) + len(together.answers) + len(together.rejected) == len(payloads)
        for trade in together.trades:
            assert trade.symbol == "BTCUSDT"
            assert 0 <= trade.aggregate_id < frames.MAX_ID
            assert 0 < trade.price < 2**63
            assert 0 <= trade.quantity < 2**63
            assert frames.MIN_TIME <= trade.timestamp < frames.MAX_TIME

    return check


if __name__ == "__main__":
    run(target, [*SEEDS, *FOUND])
