"""One client's interest in one chart: which range it shows, what is missing in it, and the frames' numbers."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Protocol

from api.candles import candle_json
from api.streaming.chart import Chart, Shown
from api.streaming.known import Known
from api.streaming.outbox import Outbox, Waiting


class Subscription(Protocol):
    """What the hub needs of one. `since` (ms) is where the range begins that the client shows."""

    chart: Chart
    since: int

    @property
    def form(self) -> Hashable:
        """Subscriptions to a chart that have the same form get the same head."""

    def head(self, shown: Shown, exchange_ms: int) -> str:
        """The part of an update that is written once for all of a form."""

    def update(self, shown: Shown, head: str, known: Known | None) -> None:
        """Send an update; `known` is None while Postgres does not say."""


class NativeSubscription:
    """Frames of one chart to one client of /ws/stream, numbered from 0."""

    def __init__(self, chart: Chart, outbox: Outbox, since: int) -> None:
        self.chart = chart
        self.since = since
        self._outbox = outbox
        self._sequence = 0
        #: The newest update, if it may be replaced, and its candle.
        self._open: tuple[Waiting | None, int] = None, -1

    def history(self, requested: int, candles: Sequence[Shown], known: Known | None) -> None:
        """The first frame: what is known up to now."""
        texts = ",".join(candle_json(each.candle, each.verdict) for each in candles)
        self._send(
            f'{{"type":"initial_history",{self._name()},"requested_candles":{requested},'
            f'"actual_candles":{len(candles)},"candles":[{texts}],',
            known,
        )

    @property
    def form(self) -> Hashable:
        return NativeSubscription

    def head(self, shown: Shown, exchange_ms: int) -> str:
        """An update without its status and its number."""
        candle = candle_json(shown.candle, shown.verdict)
        correction = "true" if shown.corrected else "false"
        # Its newest trade: who waits for one sees when it is in.
        newest = f'"correction":{correction},"last_id":{shown.candle.last_id},'
        return f'{{"type":"ohlcv_update",{self._name()},"data":{candle},{newest}'

    def update(self, shown: Shown, head: str, known: Known | None) -> None:
        """A candle that changed. While the one before it still waits to be sent, only the newer one is."""
        waiting, open_time = self._open
        if waiting is not None and not waiting.sent and open_time == shown.candle.open_time:
            waiting.text = self._text(head, known, self._sequence - 1)
        else:
            waiting = self._send(head, known)
        # What is final or a correction is not replaced.
        replaceable = not (shown.verdict.closed or shown.corrected)
        self._open = waiting if replaceable else None, shown.candle.open_time

    def _name(self) -> str:
        symbol = json.dumps(self.chart.symbol, ensure_ascii=False)
        return f'"symbol":{symbol},"timeframe":"{self.chart.interval.minutes}m"'

    def _text(self, head: str, known: Known | None, sequence: int) -> str:
        status = status_of(known, self.since, self.chart.complete_until)
        return f'{head}"data_status":{status},"sequence":{sequence}}}'

    def _send(self, head: str, known: Known | None) -> Waiting:
        self._sequence += 1
        return self._outbox.put(self._text(head, known, self._sequence - 1))


def status_of(known: Known | None, since: int, complete_until: int | None) -> str:
    """data_status as JSON, for a range that is shown from `since` (ms) on."""
    gaps = [gap for gap in known.gaps if gap.reaches(since)] if known else []
    loading = known is not None and known.history_until is not None and known.history_until >= since
    quality = "unknown" if known is None else "loading" if loading else "partial" if gaps else "complete"
    recovering = any(gap.recovering for gap in gaps)
    return (
        f'{{"historical_loading":{"true" if loading else "false"},"gap_recovery":{"true" if recovering else "false"},'
        f'"data_quality":"{quality}","last_complete_timestamp":{"null" if complete_until is None else complete_until}}}'
    )
