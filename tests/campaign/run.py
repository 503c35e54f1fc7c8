"""One campaign: the stack under faults, calm, then everything must come right within a bound, and is compared."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path

import psycopg
import requests

from dataprovider.embedded import ServiceProblem
from dataprovider.running import ChildProblem
from dataprovider.running.children import Child
from dataprovider.running.exchange import SentIds
from dataprovider.running.terminal import Stopped, stoppable
from tests.campaign.candles import TIMEFRAMES, Charts, mismatches, sums
from tests.campaign.check import Difference, compare, each_contract
from tests.campaign.exchangelog import ExchangeLog, Trade
from tests.campaign.faults import EXCHANGE, PROCESSES, backfill, history_days
from tests.campaign.lanes import Lane
from tests.campaign.options import Options
from tests.campaign.report import Result, Say, teller
from tests.campaign.stack import Stack
from tests.campaign.stored import Books, Table
from tests.campaign.viewer import Viewer

LOOK_SECONDS = 0.2
#: How often a line says how things stand.
STATUS_SECONDS = 15.0
#: Trades without faults, before and after them.
QUIET_SECONDS = 8.0
#: After the faults, everything must have come right within this.
SETTLES_WITHIN = 300.0
TOLD = 20


def campaign(options: Options) -> int:
    """All runs; 0 if everything that must be zero is, 2 if the stack did not start, 130 after Ctrl-C."""
    say, result = teller(), Result(first_seed=options.seed)
    began = time.monotonic()
    try:
        with stoppable():
            for number in range(options.runs):
                _run(options, options.seed + number, say, result)
    except Stopped:
        say("Stopped.")
        return 130
    except (ServiceProblem, ChildProblem) as problem:
        say(str(problem))
        return 2
    result.seconds = time.monotonic() - began
    sys.stdout.write(result.line() + "\n")
    return 0 if result.is_clean else 1


def _run(options: Options, seed: int, say: Say, result: Result) -> None:
    home = Path(tempfile.mkdtemp(prefix="dataprovider-chaos-"))
    stack = Stack(home, options, say)
    run = Run(stack, options, seed, say, result)
    clean = False
    try:
        clean = run.go()
    finally:
        run.calm()
        left = stack.stop()
        result.left += len(left)
        for process in left:
            say(f"It outlived the stop and was killed: {process}")
        if clean and not left and not options.keep:
            shutil.rmtree(home, ignore_errors=True)
        else:
            say(f"Logs and data are kept in {home}; again: make chaos ARGS='--seed {seed}'")


class Run:
    """One seed on one stack."""

    def __init__(self, stack: Stack, options: Options, seed: int, say: Say, result: Result) -> None:
        self._stack, self._options, self._seed, self._say, self._result = stack, options, seed, say, result
        chosen = [
            [kind for kind in kinds if not options.only or kind.name in options.only] for kinds in (PROCESSES, EXCHANGE)
        ]
        self._lanes = [
            Lane(stack, say, seed, name, kinds)
            for name, kinds in zip(("processes", "exchange"), chosen, strict=True)
            if kinds
        ]
        self._viewer: Viewer | None = None
        self._next_status = 0.0
        self._early: dict[str, SentIds] = {}
        self._history: Child | None = None
        self._history_done = False

    def go(self) -> bool:
        """Whether everything came right."""
        stack, result = self._stack, self._result
        stack.start()
        self._wait(QUIET_SECONDS)
        assert stack.farm.exchange is not None
        self._early = stack.farm.exchange.sent()
        self._viewer = Viewer(stack.url, sorted(self._early), self._seed)
        self._viewer.start()
        self._say(f"The faults begin: seed {self._seed}, {len(stack.symbols)} contracts.")
        self._under_faults()
        self._say("The faults are over.")
        settled = self._settle()
        self._viewer.stop()
        result.runs += 1
        result.server_errors += len(self._viewer.server_errors)
        for told in self._viewer.server_errors[:TOLD]:
            self._say(told)
        return self._compare() and settled and not self._viewer.server_errors

    def calm(self) -> None:
        """Undo every fault that is under way, whatever state things are in."""
        for lane in self._lanes:
            try:
                lane.calm()
            except requests.RequestException as problem:
                self._say(f"The exchange could not be told that its faults are over: {problem}")
        if self._viewer is not None:
            self._viewer.stop()
        if self._history is not None:
            self._history.stop()

    def _under_faults(self) -> None:
        minutes = self._options.minutes
        ends = None if minutes is None else time.monotonic() + 60 * minutes

        def over() -> bool:
            if ends is None:
                return all(lane.came_round for lane in self._lanes)
            return time.monotonic() >= ends

        while not over():
            now = time.monotonic()
            for lane in self._lanes:
                if ends is not None or not lane.came_round:
                    lane.step(now)
            self._tend()
        for lane in self._lanes:
            lane.calm()
            self._result.faults.update(lane.done)

    def _settle(self) -> bool:
        """Calm, the end of the market, and a wait until nothing is missing or open; whether that came in time."""
        began = time.monotonic()
        self._wait(QUIET_SECONDS)
        assert self._stack.farm.exchange is not None
        self._stack.farm.exchange.stop_market()
        self._say("The market is closed; waiting until everything is stored.")
        wanted = {symbol: (span[0], span[1]) for symbol, span in self._live_spans().items()}
        state = ""
        while time.monotonic() - began < SETTLES_WITHIN:
            self._tend()
            # History first: what a check found missing of it waits for the archives that the command reads.
            history = self._history_left()
            state = self._unsettled(wanted) or history
            if not state:
                break
        self._result.settled_s = max(self._result.settled_s, time.monotonic() - began)
        books = Books(self._stack.config)
        try:
            self._result.gaps.update(books.causes())
            self._result.longest_recovery_s = max(self._result.longest_recovery_s, books.longest_seconds())
            self._result.unfinished += bool(state)
            if state:
                self._say(f"Not settled within {SETTLES_WITHIN:g} s: {state}.")
                for line in books.left():
                    self._say(f"  {line}")
        except psycopg.Error as problem:
            self._say(f"Postgres does not answer: {problem}")
            self._result.unfinished += 1
        return not state

    def _unsettled(self, wanted: dict[str, tuple[int, int]]) -> str:
        """What is not yet as it must be, in a few words."""
        try:
            counts = Table(self._stack.config).counts()
            gaps, jobs = Books(self._stack.config).unfinished()
        except (requests.RequestException, psycopg.Error) as problem:
            return type(problem).__name__
        short = 0
        for symbol, (first, last) in wanted.items():
            have, smallest = counts.get(symbol, (0, first))
            short += max(0, last - (first if symbol in self._early else smallest) + 1 - have)
        waiting = sum(each.buffered_rows + each.spooled_batches for each in self._stack.farm.statuses())
        if short or gaps or jobs or waiting:
            return f"{short:,} trades missing, {gaps} gaps, {jobs} jobs, {waiting} rows or batches waiting"
        return ""

    def _history_left(self) -> str:
        """Now that archives are right, the operator's command brings in what is missing of history; "" when it did."""
        if not self._stack.histories or self._history_done:
            return ""
        if self._history is None:
            self._history = backfill(self._stack, self._stack.histories)
            self._history.start()
        elif not self._history.alive:
            self._history_done = self._history.stop() == 0
            self._history = None
        return "history"

    def _live_spans(self) -> dict[str, tuple[int, int]]:
        """Contract -> the first id that was put on a wire, and the newest that the exchange has."""
        assert self._stack.farm.exchange is not None
        log = ExchangeLog(self._stack.exchange_url, 202)
        spans = {}
        for symbol, ids in self._stack.farm.exchange.sent().items():
            newest = log.newest_id(symbol)
            spans[symbol] = (ids.first_id, max(ids.last_id, newest or 0))
        log.close()
        return spans

    def _compare(self) -> bool:
        """Every trade and every candle."""
        stack, result = self._stack, self._result
        table, charts = Table(stack.config), Charts(stack.url)
        spans = self._live_spans()
        counts = table.counts()
        for symbol in spans.keys() - self._early.keys():
            # A contract's collection begins with the first of its trades that was stored: one that changed hands before
            # it began is looked for in the two minutes before, and may begin earlier than the stream did.
            first, last = spans[symbol]
            spans[symbol] = (counts[symbol][1] if symbol in counts else first, last)
        spans |= self._history_spans()
        self._say(f"Comparing {len(spans)} contracts id by id, and their candles.")
        lock, told, found = threading.Lock(), list[str](), list[Difference]()
        assert self._viewer is not None
        viewed = self._viewer.complete

        def look(symbol: str, trades: list[Trade]) -> None:
            difference = compare(symbol, trades, table.trades(symbol))
            wrong = []
            number = 0
            for minutes in TIMEFRAMES:
                truth = sums(trades, minutes)
                number += len(truth)
                since = min(truth, default=0)
                wrong += mismatches(symbol, minutes, charts.all(symbol, minutes, since), truth)
                wrong += [
                    f"{symbol} {minutes}m {opens} was called complete as {each}, it is {truth.get(opens)}"
                    for (name, length, opens), candles in viewed.items()
                    if (name, length) == (symbol, minutes)
                    for each in candles
                    if each != truth.get(opens)
                ]
            with lock:
                found.append(difference)
                result.candles += number
                result.candle_mismatches += len(wrong)
                told.extend([*difference.told, *wrong[:3]])

        each_contract(stack.exchange_url, spans, look)
        for name in ("sent", "stored", "missing", "duplicated", "wrong"):
            setattr(result, name, getattr(result, name) + sum(getattr(each, name) for each in found))
        for line in told[:TOLD]:
            self._say(line)
        self._say(
            f"{result.sent:,} trades and {result.candles:,} candles compared; {self._viewer.answers:,} answers were "
            f"looked at under fire, {sum(map(len, viewed.values())):,} candles in them were called complete."
        )
        return not told

    def _history_spans(self) -> dict[str, tuple[int, int]]:
        """Of each contract whose history was brought in: the ids of its whole days."""
        if not self._stack.histories:
            return {}
        log, spans = ExchangeLog(self._stack.exchange_url, 203), {}
        begin, last = (_midnight(day) for day in history_days(self._stack))
        for symbol in self._stack.histories:
            first, end = (_first_since(log, symbol, edge) for edge in (begin, last + 86_400_000))
            newest = log.newest_id(symbol)
            if first is not None and newest is not None:
                spans[symbol] = (first, newest if end is None else end - 1)
        log.close()
        return spans

    def _wait(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._tend()

    def _tend(self) -> None:
        self._stack.tend()
        if time.monotonic() >= self._next_status:
            self._next_status = time.monotonic() + STATUS_SECONDS
            self._say(self._status())
        time.sleep(LOOK_SECONDS)

    def _status(self) -> str:
        snapshot = self._stack.farm.snapshot()
        rate = sum(each.trades_per_s for each in snapshot.workers)
        waiting = sum(each.buffered_rows for each in snapshot.workers)
        spooled = sum(each.spooled_batches for each in snapshot.workers)
        gaps = "–" if snapshot.open_gaps is None else str(snapshot.open_gaps)
        return (
            f"  {len(snapshot.workers)} workers, {rate:,.0f} trades/s, {waiting:,} rows in memory, {spooled} batches "
            f"on disk, open gaps {gaps}"
        )


def _midnight(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400_000


def _first_since(log: ExchangeLog, symbol: str, start_ms: int) -> int | None:
    now = log.now_ms()
    for hour in range(start_ms, now, 3_600_000):
        found = log.first_id_since(symbol, hour)
        if found is not None:
            return found
    return None
