"""Settings from the environment: every variable's name, type, default and meaning, checked at start.

Sources, weakest first: the `exchange.json` and `services.json` that a running demo and its embedded stack write into
DATAPROVIDER_HOME, the file `.env` in the current folder, the process environment. `.env.example` describes each
variable for people.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dataprovider.configsentences import sentence, slips

SERVICES_FILE = "services.json"
#: The addresses of a demo's exchange, while it runs: its other commands must not ask the real one.
EXCHANGE_FILE = "exchange.json"

#: Variables that belong together: naming the first in the environment means the whole service is not the embedded one.
SERVICE_VARIABLES: dict[str, tuple[str, ...]] = {
    "DATABASE_URL": ("DATABASE_URL",),
    "REDIS_URL": ("REDIS_URL",),
    "CLICKHOUSE_HOST": (
        "CLICKHOUSE_HOST",
        "CLICKHOUSE_NODES",
        "CLICKHOUSE_NATIVE_PORT",
        "CLICKHOUSE_HTTP_PORT",
        "CLICKHOUSE_DATABASE",
        "CLICKHOUSE_USERNAME",
        "CLICKHOUSE_PASSWORD",
    ),
}

#: What docker-compose.yml reads from `.env`, and the application does not.
COMPOSE_VARIABLES = frozenset(
    f"{service}_{what}"
    for service, whats in {
        "CLICKHOUSE": ("MEMORY", "CPUS"),
        "POSTGRES": ("PASSWORD", "MEMORY", "CPUS"),
        "REDIS": ("PASSWORD",),
        "VALKEY": ("MEMORY", "CPUS"),
        "COLLECTORS": ("MEMORY", "CPUS"),
        "WEB": ("MEMORY", "CPUS"),
    }.items()
    for what in whats
)

Port = Annotated[int, Field(ge=1, le=65535)]
#: One worker for each shard.
MOST_WORKERS = 16
Count = Annotated[int, Field(ge=1)]


#: A host, or a host and a port.
_NODE = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?")
_EGRESS = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ConfigError(Exception):
    """One or more settings are wrong; `str()` is one plain line for each."""


class Config(BaseModel):
    """Every setting, typed. Names are the environment's, in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    environment: str = "production"
    dataprovider_home: Path = Path("var")
    secret_key: str = ""

    database_url: str = ""
    redis_url: str = ""
    clickhouse_host: str = ""
    clickhouse_nodes: str = ""
    clickhouse_native_port: Port = 9000
    clickhouse_http_port: Port = 8123
    clickhouse_database: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = "trades"
    clickhouse_username: str = "default"
    clickhouse_password: str = ""

    egress_name: str = "default"
    binance_rest_url: str = "https://fapi.binance.com"
    binance_stream_url: str = "wss://fstream.binance.com"
    binance_archive_url: str = "https://data.binance.vision"
    binance_archive_listing_url: str = "https://s3-ap-northeast-1.amazonaws.com/data.binance.vision"
    binance_rest_lookback_hours: Count = 47

    api_host: str = "127.0.0.1"
    api_port: Port = 8080
    allowed_ips: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    require_api_key: bool = False
    rate_limit_per_minute: Annotated[int, Field(ge=0)] = 1200
    cors_allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")

    websocket_connections_per_ip: Count = 10
    websocket_subscriptions_per_connection: Count = 500
    websocket_heartbeat_seconds: Count = 60

    enable_rest_api: bool = True
    enable_websocket_api: bool = True
    enable_integrity_checks: bool = True
    enable_debug_logging: bool = False

    integrity_interval: Annotated[int, Field(ge=1)] = 900
    history_start: date | None = None
    recovery_workers: Annotated[int, Field(ge=0, le=MOST_WORKERS)] = 2
    archive_give_up_days: Count = 14

    load_only_tickers: tuple[str, ...] = ()
    collector_workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = 2
    stream_symbols_per_connection: Annotated[int, Field(ge=1, le=1024)] = 200
    spool_max_bytes: Annotated[int, Field(ge=1_000_000)] = 2_000_000_000
    buffer_max_rows: Annotated[int, Field(ge=10_000)] = 1_000_000

    telegram_enabled: bool = False
    telegram_bot_token: str = ""
    telegram_chat_id: str = ""
    telegram_api_url: str = "https://api.telegram.org"
    alert_webhook_url: str = ""
    alert_email_to: tuple[str, ...] = ()
    alert_email_from: str = "dataprovider@localhost"
    email_url: str = ""
    alert_gap_minutes: Count = 15
    alert_lag_seconds: Count = 10
    alert_disk_percent: Annotated[int, Field(ge=0, le=99)] = 10
    alert_patience_seconds: Annotated[float, Field(ge=0, le=600)] = 15.0

    system_stats_interval_seconds: Count = 300
    logs_dir: Path = Path("logs")
    log_format: Literal["console", "json"] = "console"
    log_to: Literal["stderr", "files"] = "stderr"
    log_max_bytes: Annotated[int, Field(ge=10_000)] = 10_000_000
    log_old_files: Annotated[int, Field(ge=1, le=1000)] = 5

    @field_validator(
        "load_only_tickers",
        "allowed_ips",
        "trusted_proxies",
        "allowed_hosts",
        "cors_allowed_origins",
        "alert_email_to",
        mode="before",
    )
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("history_start", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise ValueError("must be a day such as 2024-01-31") from None
        return value

    @field_validator("history_start")
    @classmethod
    def _day_that_was(cls, value: date | None) -> date | None:
        if value is not None and value > datetime.now(UTC).date():
            raise ValueError("must not be a day to come")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            named_port = part.rpartition(":")[2].isdigit() and not part.startswith("[")
            if "/" in part or " " in part or named_port:
                raise ValueError(f"{part!r} is not a host name such as data.example.com, without https:// and port")
        return value

    @field_validator("load_only_tickers")
    @classmethod
    def _upper_case(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(part.upper() for part in value)

    @field_validator("allowed_ips", "trusted_proxies")
    @classmethod
    def _addresses_or_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            try:
                ipaddress.ip_network(part, strict=False)
            except ValueError:
                raise ValueError(f"{part!r} is not an IP address or a network such as 192.168.1.0/24") from None
        return value

    @field_validator("cors_allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            parts = urlsplit(_checked_url(part, ("http", "https")))
            if part != f"{parts.scheme}://{parts.netloc}":
                raise ValueError(f"{part!r} is not an origin such as https://charts.example.com")
        return value

    @field_validator("binance_rest_url", "binance_archive_url", "binance_archive_listing_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        return _checked_url(value, ("http", "https"))

    @field_validator("binance_stream_url")
    @classmethod
    def _websocket_url(cls, value: str) -> str:
        return _checked_url(value, ("ws", "wss"))

    @field_validator("database_url")
    @classmethod
    def _postgres_url(cls, value: str) -> str:
        return _checked_url(value, ("postgres", "postgresql")) if value else value

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: str) -> str:
        return _checked_url(value, ("redis", "rediss")) if value else value

    @field_validator("telegram_api_url", "alert_webhook_url")
    @classmethod
    def _alert_url(cls, value: str) -> str:
        return _checked_url(value, ("http", "https")) if value else value

    @field_validator("egress_name")
    @classmethod
    def _egress_name(cls, value: str) -> str:
        if not _EGRESS.fullmatch(value):
            raise ValueError("must be letters, digits, dots, dashes and underscores, 64 at most")
        return value

    @field_validator("clickhouse_nodes")
    @classmethod
    def _clickhouse_nodes(cls, value: str) -> str:
        nodes = [node.strip() for node in value.split(",")] if value else []
        if not all(_NODE.fullmatch(node) and int(node.partition(":")[2] or 1) in range(1, 65536) for node in nodes):
            raise ValueError("must be hosts with commas between them, each with its port or without: ch1,ch2:9000")
        if len(set(nodes)) < len(nodes):
            raise ValueError("names a node twice")
        return ",".join(nodes)

    @field_validator("email_url")
    @classmethod
    def _email_url(cls, value: str) -> str:
        return _checked_url(value, ("smtp", "smtps", "smtp+tls")) if value else value

    @model_validator(mode="after")
    def _mail_is_whole(self) -> Config:
        if self.alert_email_to and not self.email_url:
            raise ValueError("ALERT_EMAIL_TO is set: set EMAIL_URL too, such as smtp+tls://user:password@host:587")
        return self

    @model_validator(mode="after")
    def _telegram_is_whole(self) -> Config:
        if self.telegram_enabled and not (self.telegram_bot_token and self.telegram_chat_id):
            raise ValueError("TELEGRAM_ENABLED is on: set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID too, or turn it off")
        return self

    @property
    def has_services(self) -> bool:
        """Whether Postgres, Valkey and ClickHouse are all known."""
        return bool(self.database_url and self.redis_url and self.clickhouse_host)


def _checked_url(value: str, schemes: tuple[str, ...]) -> str:
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
    if not port_is_fine or parts.scheme not in schemes or not parts.hostname:
        # The value is not repeated: it may hold a password.
        raise ValueError(f"must be a URL that begins with {wanted} and names a host (and a port from 1 to 65535)")
    return value.rstrip("/")


def load_config(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Config:
    """Read and check every setting.

    `environ` defaults to the process environment; `folder` (default: the current one) is where `.env` is looked for
    and what a relative DATAPROVIDER_HOME is relative to.
    Raises ConfigError with one line for each wrong value, and for each name in `.env` that looks like a slip: what was
    meant would silently not hold. Values are never repeated when they may be secret.
    """
    environ = os.environ if environ is None else environ
    folder = folder or Path.cwd()
    from_file = dotenv_values(folder / ".env")
    named = {**from_file, **environ}
    chosen = {key: value for key, value in named.items() if value not in (None, "")}
    if "CLICKHOUSE_NODES" in chosen:
        chosen.setdefault("CLICKHOUSE_HOST", str(chosen["CLICKHOUSE_NODES"]).split(",")[0].split(":")[0].strip())
    home = folder / chosen.get("DATAPROVIDER_HOME", "var")
    merged = {**_read_file(home / EXCHANGE_FILE), **_embedded_services(home, chosen), **chosen}
    fields = {name: merged[name.upper()] for name in Config.model_fields if name.upper() in merged}
    complaints = list(slips(from_file, {name.upper() for name in Config.model_fields}, COMPOSE_VARIABLES))
    try:
        config = Config(**{**fields, "dataprovider_home": home})
    except ValidationError as error:
        complaints += [sentence(item) for item in error.errors()]
    if complaints:
        raise ConfigError("\n".join(complaints))
    return config


def _embedded_services(home: Path, chosen: Mapping[str, Any]) -> dict[str, str]:
    """The addresses of a running embedded stack, without the services that were named explicitly."""
    found = _read_file(home / SERVICES_FILE)
    for leader, names in SERVICE_VARIABLES.items():
        if leader in chosen:
            for name in names:
                found.pop(name, None)
    return found


def _read_file(path: Path) -> dict[str, str]:
    """Variables in a JSON file; none when it is not there."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
