"""The app that serves: what its processes hold for their whole life."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from django.apps import AppConfig, apps

if TYPE_CHECKING:
    from api.binance.streams.trades import Trades
    from api.dashboard.overview import Overview
    from api.export.stream import Turns
    from api.health import HealthCheck
    from api.sources import Sources
    from api.store import Store
    from api.streaming.connections import Connections
    from api.streaming.hub import Hub
    from api.streaming.presence import Presence
    from api.system.collection import Synchronization
    from dataprovider.config import Config


class ApiConfig(AppConfig):
    name = "api"
    verbose_name = "API"

    def ready(self) -> None:
        self.started = time.monotonic()

    @cached_property
    def store(self) -> Store:
        """ClickHouse for the request handlers of this process; connects on first use."""
        from api.store import Store
        from dataprovider.clickhouse import Address, ClickHouse

        address = Address.of_nodes(_config())
        return Store(lambda size: ClickHouse(address, pool_size=size, connect_timeout=2.0, timeout=10.0))

    @cached_property
    def exports(self) -> Turns:
        """The exports of this process."""
        from api.export.stream import Turns

        return Turns()

    @cached_property
    def health(self) -> HealthCheck:
        """The health check of this process."""
        from api.health import HealthCheck

        return HealthCheck(_config(), started=self.started, connections=self.connections)

    @cached_property
    def hub(self) -> Hub:
        """Live candles of this process; listens from the first subscriber on."""
        from django.conf import settings

        from api.streaming.hub import Hub

        return Hub(self.store, settings.REDIS_URL)

    @cached_property
    def trades(self) -> Trades:
        """Aggregated trades for those who asked for them."""
        from django.conf import settings

        from api.binance.streams.trades import Trades

        return Trades(settings.REDIS_URL)

    @cached_property
    def connections(self) -> Connections:
        """The open WebSocket connections of this process."""
        from api.streaming.connections import Connections

        return Connections(_config().websocket_connections_per_ip)

    @cached_property
    def presence(self) -> Presence:
        """What this process tells others of its connections."""
        from django.conf import settings

        from api.streaming.presence import Presence

        return Presence(settings.REDIS_URL, self.connections)

    @property
    def heartbeat_seconds(self) -> int:
        """How often a WebSocket client is told that the connection lives."""
        return _config().websocket_heartbeat_seconds

    @property
    def most_subscriptions(self) -> int:
        """How many charts a WebSocket client may subscribe to."""
        return _config().websocket_subscriptions_per_connection

    @cached_property
    def sources(self) -> Sources:
        """The services, for answers that say what they can while one is away."""
        from api.sources import Sources

        return Sources(_config())

    @cached_property
    def overview(self) -> Overview:
        """Everything at a glance."""
        from api.dashboard.overview import Overview

        return Overview(self.sources, _config())

    @cached_property
    def synchronization(self) -> Synchronization:
        """Reading the exchange's list of contracts at somebody's request."""
        from api.system.collection import Synchronization

        return Synchronization(_config())


def this_app() -> ApiConfig:
    """The running app."""
    return apps.get_app_config("api")  # type: ignore[return-value]


def _config() -> Config:
    from django.conf import settings

    config: Config = settings.CONFIG
    return config
