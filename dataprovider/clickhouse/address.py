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
    def of_nodes(cls, config: Config) -> tuple[Address, ...]:
        """The servers the settings name, one at least, in their order."""
        nodes = config.clickhouse_nodes or config.clickhouse_host
        return tuple(cls._of_node(config, *node.partition(":")[::2]) for node in nodes.split(","))

    @classmethod
    def _of_node(cls, config: Config, host: str, port: str) -> Address:
        return cls(
            host=host,
            port=int(port or config.clickhouse_native_port),
            database=config.clickhouse_database,
            username=config.clickhouse_username,
            password=config.clickhouse_password,
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
