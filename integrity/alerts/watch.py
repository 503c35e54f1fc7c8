"""The process that looks and tells. Of all hosts one at a time does; while Postgres is away, the one that did last."""

from __future__ import annotations

import logging
import socket
import threading
import time
from dataclasses import replace
from datetime import date, timedelta

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import F, Sum
from django.db.models.functions import Now
from redis import Redis

from collectors.models import Gap, GapStatus
from dataprovider.clickhouse import Address, ClickHouse, ClickHouseError
from dataprovider.config import Config
from dataprovider.numbers import counted
from integrity.alerts.book import IncidentBook, Message
from integrity.alerts.channels import outgoing
from integrity.alerts.facts import Facts, now, read_facts
from integrity.alerts.rules import Rules, conditions, listings, unknowable
from integrity.models import Incident
from integrity.recovery.election import give_up, take_or_keep

logger = logging.getLogger(__name__)

DUTY = "alerts"
LOOK_SECONDS = 3.0
#: The summary of a day is told this long after its end (UTC).
SUMMARY_AFTER = timedelta(minutes=5)
#: That a worker ended is over when no other did for so many times the patience.
MOURNED = 4


class AlertWatch:
    """Looks every few seconds while it has the duty."""

    def __init__(self, owner: str, stop: threading.Event) -> None:
        config: Config = settings.CONFIG
        self._owner, self._stop, self._config = owner, stop, config
        self._rules = Rules(config.alert_gap_minutes, config.alert_lag_seconds, config.alert_disk_percent)
        self._store = ClickHouse(Address.from_config(config), pool_size=1, connect_timeout=3.0, timeout=5.0)
        self._redis = Redis.from_url(config.redis_url, socket_timeout=3.0, socket_connect_timeout=3.0)
        self._channels = outgoing(config)
        self._book = IncidentBook(config.alert_patience_seconds)
        self._mourned = MOURNED * max(LOOK_SECONDS, config.alert_patience_seconds)
        self._on_duty = False
        self._restored = False
        self._contracts: dict[str, str] | None = None
        self._summarised: date | None = None
        self._looked = False
        #: Supervisor -> how many of its workers have ended; host -> when that last became more.
        self._deaths: dict[str, int] = {}
        self._died_at: dict[str, float] = {}

    def run(self) -> None:
        """Until told to stop."""
        host = socket.gethostname()
        self._tell(Message("info", f"start {host}", f"DataProvider starts on {host}."))
        while not self._stop.is_set():
            try:
                self._look()
            except DatabaseError:
                # It went away in between: the next look says so.
                connection.close()
            except Exception:
                logger.exception("Alerts could not be looked at and go on")
            self._stop.wait(LOOK_SECONDS)
        self._tell(Message("info", f"stop {host}", f"DataProvider stops on {host}."))
        for channel in self._channels:
            channel.stop()
        try:
            give_up(DUTY, self._owner)
        except DatabaseError:
            logger.debug("Postgres is away: the duty ends by itself.")

    def _look(self) -> None:
        try:
            self._on_duty = take_or_keep(DUTY, self._owner)
            if self._on_duty and not self._restored:
                self._book.restore(dict(Incident.objects.filter(ended_at=None).values_list("key", "text")))
                self._restored = True
            if not self._on_duty:
                self._restored = False
        except DatabaseError:
            # Nobody can take the duty now: who had it keeps it.
            connection.close()
        if not self._on_duty:
            return
        since = now() - timedelta(minutes=self._rules.gap_minutes)
        facts = read_facts(self._store, self._redis, self._config.dataprovider_home, gaps_since=since)
        facts = replace(facts, bereaved=self._bereaved(facts))
        found = conditions(facts, self._rules, now())
        for message in self._book.look(found, time.monotonic(), lambda key: unknowable(key, facts)):
            self._tell(message)
        if "Postgres" not in facts.away:
            self._write()
            self._tell_listings(facts)
            self._tell_summary()

    def _bereaved(self, facts: Facts) -> frozenset[str]:
        """Hosts whose workers' deaths became more within the last minutes."""
        for host in facts.hosts or ():
            before = self._deaths.get(host.owner, 0 if self._looked else host.deaths)
            if host.deaths > before:
                self._died_at[host.owner.partition(":")[0]] = time.monotonic()
            self._deaths[host.owner] = host.deaths
        self._looked = self._looked or facts.hosts is not None
        return frozenset(name for name, at in self._died_at.items() if time.monotonic() - at < self._mourned)

    def _tell(self, message: Message) -> None:
        logger.info("%s: %s", message.state, message.text)
        for channel in self._channels:
            channel.tell(message)

    def _write(self) -> None:
        """Make the table say what the book says: also what happened while Postgres was away."""
        held = self._book.open()
        written = dict(Incident.objects.filter(ended_at=None).values_list("key", "pk"))
        for key, text in held.items():
            if key not in written:
                Incident.objects.create(key=key, text=text)
        Incident.objects.filter(pk__in=[pk for key, pk in written.items() if key not in held]).update(ended_at=Now())

    def _tell_listings(self, facts: Facts) -> None:
        if not facts.contracts:
            return
        if self._contracts:
            text = listings(self._contracts, facts.contracts)
            if text:
                self._tell(Message("info", "listings", text))
        self._contracts = facts.contracts

    def _tell_summary(self) -> None:
        day = (now() - SUMMARY_AFTER).date() - timedelta(days=1)
        if self._summarised == day:
            return
        key = f"summary {day}"
        if self._summarised is not None and not Incident.objects.filter(key=key).exists():
            try:
                text = summary(self._store, day)
            except ClickHouseError:
                return
            Incident.objects.create(key=key, text=text, ended_at=Now())
            self._tell(Message("info", key, text))
        # What was before this process began somebody else told, or nobody watched.
        self._summarised = day


def summary(store: ClickHouse, day: date) -> str:
    """A day (UTC) in a sentence or two. Raises ClickHouseError and django.db.Error."""
    since = (day - date(1970, 1, 1)).days * 86_400
    symbols, rows = store.query("day_totals", since=since, until=since + 86_400)[0]
    gaps = Gap.objects.filter(opened_at__date=day)
    ids = gaps.aggregate(ids=Sum(F("last_id") - F("first_id") + 1))["ids"] or 0
    left = gaps.exclude(status__in=[GapStatus.RECOVERED, GapStatus.ABSENT_UPSTREAM]).count()
    return (
        f"{day}: {counted(int(rows), 'trade')} of {counted(int(symbols), 'symbol')}. {counted(gaps.count(), 'gap')} "
        f"({counted(int(ids), 'trade')}) opened, {left} of them not closed yet."
    )
