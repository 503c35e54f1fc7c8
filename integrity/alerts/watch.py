"""The process that looks and tells. Of all hosts one at a time does; while Postgres is away, the one that did last."""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from dataprovider.clickhouse import Address, ClickHouse, ClickHouseError
from dataprovider.config import Config
from dataprovider.heartbeat import HEARTBEAT_TTL
from integrity.alerts.book import IncidentBook, Message
from integrity.alerts.facts import Facts, read_facts
from integrity.alerts.ledger import DUTY, Known, Ledger
from integrity.alerts.note import Note
from integrity.alerts.outgoing import end, outgoing
from integrity.alerts.rules import Rules, conditions, host_name, listings, lost, started, stopped, summary, unknowable
from integrity.process import Ending

logger = logging.getLogger(__name__)

#: Between two looks (seconds): three within the patience, but not more often or more seldom than this.
SHORTEST_LOOK, LONGEST_LOOK = 0.25, 3.0
#: The summary of a day is told this long after its end (UTC).
SUMMARY_AFTER = timedelta(minutes=5)
#: That a worker ended is over when no other did for so many times the patience.
MOURNED = 4
#: Who has not heard from Postgres since it began holds the duty in Valkey for so long (seconds) at a time.
STAND_IN_SECONDS = 15
#: How long Postgres may take at a stop (seconds).
STOP_SECONDS = 1.0


class AlertWatch:
    """Looks every few seconds while it has the duty. `began`: the same for as long as its supervisor runs."""

    def __init__(self, owner: str, stop: Ending, began: str) -> None:
        config: Config = settings.CONFIG
        self._owner, self._stop, self._config = owner, stop, config
        self._host = socket.gethostname()
        self._rules = Rules(config.alert_gap_minutes, config.alert_lag_seconds, config.alert_disk_percent)
        self._store = ClickHouse(Address.of_nodes(config), pool_size=1, connect_timeout=2.0, timeout=3.0)
        self._redis = Redis.from_url(
            config.redis_url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0)
        )
        self._ledger = Ledger(owner)
        self._channels = outgoing(config)
        self._patience = config.alert_patience_seconds
        self._look_seconds = min(LONGEST_LOOK, max(SHORTEST_LOOK, self._patience / 3))
        self._book = IncidentBook(self._patience)
        self._note = Note(config.dataprovider_home / "alerts.json", began)
        #: None until Postgres was heard.
        self._on_duty: bool | None = None
        self._contracts: dict[str, str] | None = None
        self._summarised: date | None = None
        self._looked = False
        #: When silence means something again.
        self._settled_at = 0.0
        #: Supervisor -> how many of its workers have ended; host -> when that last became more.
        self._deaths: dict[str, int] = {}
        self._died_at: dict[str, float] = {}

    def run(self) -> None:
        """Until `stop` is set."""
        self._tell_start()
        while not self._stop.is_set():
            try:
                self._look()
            except DatabaseError as error:
                logger.debug("Postgres went away in between, the next look says so: %s", error)
            except Exception:
                logger.exception("Alerts could not be looked at and go on")
            self._stop.wait(self._look_seconds)
        self._tell_end()

    def _look(self) -> None:
        since = _now() - timedelta(minutes=self._rules.gap_minutes)
        facts = read_facts(self._store, self._redis, self._config.dataprovider_home, lambda: self._ledger.look(since))
        if not self._has_duty(facts.known):
            return
        if facts.known is not None:
            self._book.restore(facts.known.incidents)
        facts = self._settled(replace(facts, bereaved=self._bereaved(facts)))
        found = conditions(facts, self._rules, _now())
        before = self._book.open()
        for message in self._book.look(found, time.monotonic(), lambda key: unknowable(key, facts)):
            self._tell(message)
        held = self._book.open()
        if held.keys() != before.keys():
            self._note.write(held)
        if facts.known is not None:
            if held.keys() != facts.known.incidents.keys():
                self._ledger.record(held)
            self._book.recorded()
            self._tell_listings(facts.known)
            self._tell_summary()

    def _has_duty(self, known: Known | None) -> bool:
        """While Postgres is away nobody can take it: who had it keeps it, and Valkey decides among those who began
        only then."""
        if known is not None:
            if not known.on_duty:
                told = self._book.open()
                if told:
                    self._ledger.hand_over(told)
                    self._note.write({})
                self._book = IncidentBook(self._patience)
                self._contracts, self._summarised, self._looked = None, None, False
            self._on_duty = known.on_duty
        return self._stands_in() if self._on_duty is None else self._on_duty

    def _stands_in(self) -> bool:
        key = f"dataprovider:duty:{DUTY}"
        try:
            taken = self._redis.set(key, self._owner, nx=True, ex=STAND_IN_SECONDS)
            if not taken and self._redis.get(key) == self._owner.encode():
                taken = self._redis.expire(key, STAND_IN_SECONDS)
        except RedisError:
            # Rather two who tell than none.
            return True
        return bool(taken)

    def _settled(self, facts: Facts) -> Facts:
        """Who has not been heard since Valkey came back may just not have spoken yet."""
        now = time.monotonic()
        if facts.hosts is None or facts.workers is None:
            self._settled_at = now + HEARTBEAT_TTL
        elif now < self._settled_at and not 0 < sum(host.workers for host in facts.hosts) <= len(facts.workers):
            return replace(facts, hosts=None, workers=None)
        return facts

    def _bereaved(self, facts: Facts) -> frozenset[str]:
        """Hosts whose workers' deaths became more within the last minutes."""
        for host in facts.hosts or ():
            before = self._deaths.get(host.owner, 0 if self._looked else host.deaths)
            if host.deaths > before:
                self._died_at[host_name(host.owner)] = time.monotonic()
            self._deaths[host.owner] = host.deaths
        self._looked = self._looked or facts.hosts is not None
        mourned = MOURNED * max(self._look_seconds, self._patience)
        return frozenset(name for name, at in self._died_at.items() if time.monotonic() - at < mourned)

    def _tell(self, message: Message) -> None:
        logger.info("%s: %s", message.state, message.text)
        for channel in self._channels:
            channel.tell(replace(message, at=time.time()))

    def _tell_start(self) -> None:
        """Once for a supervisor, also when this process is started again under it."""
        told = self._note.read()
        if told is not None:
            self._book.restore(told)
            return
        self._note.write({})
        self._tell(Message("info", f"start {self._host}", started(self._host)))

    def _tell_end(self) -> None:
        orphaned = self._stop.orphaned
        key, text = lost(self._host)
        if not orphaned:
            self._tell(Message("info", f"stop {self._host}", stopped(self._host)))
        try:
            news = orphaned and self._ledger.add(key, text)
            self._ledger.give_up_duty(STOP_SECONDS)
        except DatabaseError:
            logger.warning("Postgres is away: the duty ends by itself.")
            news = orphaned
        if news:
            self._tell(Message("firing", key, text))
        end(self._channels)

    def _tell_listings(self, known: Known) -> None:
        if not known.contracts:
            return
        if self._contracts:
            text = listings(self._contracts, known.contracts)
            if text:
                self._tell(Message("info", "listings", text))
        self._contracts = known.contracts

    def _tell_summary(self) -> None:
        """Yesterday's, when there are trades of it and it was not told: also after a night in which nothing ran."""
        day = (_now() - SUMMARY_AFTER).date() - timedelta(days=1)
        if self._summarised == day:
            return
        key = f"summary {day}"
        if not self._ledger.is_recorded(key):
            since = (day - date(1970, 1, 1)).days * 86_400
            try:
                symbols, rows = self._store.query("day_totals", since=since, until=since + 86_400)[0]
            except ClickHouseError:
                return
            text = summary(day, int(symbols), int(rows), self._ledger.gaps_of(day))
            if (int(rows) or self._summarised is not None) and self._ledger.add(key, text, over=True):
                self._tell(Message("info", key, text))
        self._summarised = day


def _now() -> datetime:
    return datetime.now(UTC)
