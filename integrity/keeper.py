"""What has to be done once for all hosts: planning, reaping, history, and the integrity check at its interval."""

from __future__ import annotations

import logging
import threading
import time

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from collectors.binance.rest import ExchangeProblem
from dataprovider.clickhouse import ClickHouseError
from dataprovider.config import Config
from integrity.checks.check import IntegrityCheck
from integrity.recovery import queue
from integrity.recovery.election import give_up, take_or_keep
from integrity.recovery.gapplan import plan_gaps, retry_after_bad_archives
from integrity.recovery.history import plan_history, today_of
from integrity.recovery.maketools import make_tools
from integrity.recovery.origin import apply_origins

logger = logging.getLogger(__name__)

DUTY = "recovery keeper"
TICK = 1.0
#: Every so many ticks.
REAP_EVERY, HISTORY_EVERY, RECHECK_EVERY = 5, 60, 3600


class Keeper:
    """The rounds of the one who keeps the duty; the integrity check runs in a thread beside them."""

    def __init__(self, owner: str, stop: threading.Event) -> None:
        self._owner = owner
        self._stop = stop
        self._config: Config = settings.CONFIG
        self._tools = make_tools(self._config, stop.is_set)
        self._check: threading.Thread | None = None
        self._next_check = 0.0
        self._on_duty = threading.Event()
        self._tick = 0
        self._trouble = ""

    def run(self) -> None:
        """Until told to stop."""
        while not self._stop.is_set():
            try:
                if take_or_keep(DUTY, self._owner):
                    self._on_duty.set()
                    self._round()
                else:
                    self._on_duty.clear()
            except DatabaseError as error:
                self._on_duty.clear()
                connection.close()
                self._say(f"Postgres is away, nothing is planned: {(str(error).strip().splitlines() or [''])[0]}")
            except ClickHouseError as error:
                self._say(str(error))
            else:
                self._trouble = ""
            self._tick += 1
            self._stop.wait(TICK)
        if self._check is not None:
            self._check.join(5.0)
        try:
            give_up(DUTY, self._owner)
        except DatabaseError:
            logger.debug("Postgres is away: the duty ends by itself.")

    def _round(self) -> None:
        made = plan_gaps()
        if made:
            logger.info("%d recovery jobs for open gaps.", made)
        if self._tick % REAP_EVERY == 0:
            taken = queue.reap(self._tools.store)
            if taken:
                logger.warning("%d recovery jobs were taken from workers that stalled or died.", taken)
        if self._tick % RECHECK_EVERY == 0:
            retry_after_bad_archives()
        if self._config.history_start is not None and self._tick % HISTORY_EVERY == 0:
            self._plan_history()
        if self._config.enable_integrity_checks:
            self._tend_check()

    def _plan_history(self) -> None:
        assert self._config.history_start is not None
        try:
            today = today_of(self._tools.clock.now_ms())
        except ExchangeProblem as problem:
            self._say(str(problem))
            return
        made = plan_history(self._config.history_start, today, self._config.load_only_tickers)
        if made:
            logger.info("%d jobs for the history since %s.", made, self._config.history_start)

    def _tend_check(self) -> None:
        if self._check is not None and not self._check.is_alive():
            self._check = None
        if self._check is None and time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + self._config.integrity_interval
            self._check = threading.Thread(target=self._run_check, name="integrity", daemon=True)
            self._check.start()

    def _run_check(self) -> None:
        try:
            run = IntegrityCheck(self._tools.store).run(stop=lambda: self._stop.is_set() or not self._on_duty.is_set())
            if not run.symbols:
                # A beginning: there is something to check in a minute.
                self._next_check = time.monotonic() + min(60.0, self._config.integrity_interval)
            apply_origins()
        except (ClickHouseError, DatabaseError) as error:
            logger.warning("The integrity check broke off and is begun again: %s", error)
            self._next_check = time.monotonic() + min(30.0, self._config.integrity_interval)
        finally:
            connection.close()

    def _say(self, trouble: str) -> None:
        """Each trouble once."""
        if trouble != self._trouble:
            logger.warning("%s", trouble)
        self._trouble = trouble
