"""Where ClickHouse is."""

from __future__ import annotations

from dataclasses import dataclass, field

from dataprovider.config import Config


@dataclass(frozen=True)
class Address:
    """A ClickHouse server's native TCP port, and whom to be there. The password never shows in a repr."""

    host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)

    @classmethod
    def from_config(cls, config: Config) -> Address:
        """The address the settings name."""
        return cls(
            host=config.clickhouse_host,
            port=config.clickhouse_native_port,
            database=config.clickhouse_database,
            username=config.clickhouse_username,
            password=config.clickhouse_password,
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
