"""One host's way to everything else: a proxy before each service, so that it alone can be cut off."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings

from dataprovider.clickhouse import Address
from tests.clickhouse.proxy import Proxy, proxy_to
from tests.fixtures_collectors import database_url
from tests.fixtures_exchange import RunningExchange


class Cables:
    """The proxies of one host, and the `variables` by which its processes go through them."""

    def __init__(self, exchange: RunningExchange, stack: ExitStack, *, listen: str = "127.0.0.1") -> None:
        """`listen`: the address of this machine under which that host knows it."""

        def proxy(host: str, port: int) -> Proxy:
            return stack.enter_context(proxy_to(host, port, listen=listen))

        database, self.postgres = through(database_url(), proxy)
        valkey, self.valkey = through(settings.CONFIG.redis_url, proxy)
        rest, self.exchange = through(exchange.url, proxy)
        self.clickhouse = [proxy(node.host, node.port) for node in Address.of_nodes(settings.CONFIG)]
        nodes = [f"{listen}:{each.port}" for each in self.clickhouse]
        self.variables = {
            "DATABASE_URL": database,
            "REDIS_URL": valkey,
            "CLICKHOUSE_HOST": listen,
            "CLICKHOUSE_NATIVE_PORT": str(self.clickhouse[0].port),
            "CLICKHOUSE_NODES": ",".join(nodes) if len(nodes) > 1 else "",
            "BINANCE_REST_URL": rest,
            "BINANCE_STREAM_URL": rest.replace("http", "ws", 1),
            "BINANCE_ARCHIVE_URL": rest,
            "BINANCE_ARCHIVE_LISTING_URL": f"{rest}/listing",
        }

    @property
    def all(self) -> list[Proxy]:
        return [self.postgres, self.valkey, self.exchange, *self.clickhouse]


def through(url: str, proxy: Callable[[str, int], Proxy]) -> tuple[str, Proxy]:
    """The same service by way of a proxy, and that proxy."""
    parts = urlsplit(url)
    found = proxy(str(parts.hostname), int(parts.port or 0))
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}{at}{found.host}:{found.port}")), found


class Machine:
    """A network namespace with one cable to this machine: what runs in it is a host of its own."""

    def __init__(self) -> None:
        self._name = f"dataprovider-{os.getpid()}"
        self._cable = f"dp{os.getpid() % 10**6}"
        # Addresses that are set apart for tests of networks (RFC 2544).
        self._network = f"198.18.{os.getpid() % 256}"
        #: This machine as that host knows it.
        self.here = f"{self._network}.1"
        #: What makes a command run there.
        self.prefix: Sequence[str] = ("nsenter", f"--net=/run/netns/{self._name}")

    def begin(self) -> None:
        """Make it; skips the test where that is not possible."""
        if not (shutil.which("ip") and shutil.which("nsenter")):
            pytest.skip("network namespaces need ip and nsenter (Debian: iproute2, util-linux)")
        made = subprocess.run(["ip", "netns", "add", self._name], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
        ip = ("ip", "-n", self._name)
        for command in (
            ("ip", "link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self._name),
            ("ip", "addr", "add", f"{self.here}/30", "dev", self._cable),
            ("ip", "link", "set", self._cable, "up"),
            (*ip, "addr", "add", f"{self._network}.2/30", "dev", "eth0"),
            (*ip, "link", "set", "eth0", "up"),
            (*ip, "link", "set", "lo", "up"),
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no network can be made here: {' '.join(command)}: {done.stderr.strip()}")

    def unplug(self) -> None:
        """Nothing gets through any more, and nobody there is told."""
        subprocess.run(["ip", "link", "set", self._cable, "down"], check=True)

    def plug_in(self) -> None:
        subprocess.run(["ip", "link", "set", self._cable, "up"], check=True)

    def end(self) -> None:
        subprocess.run(["ip", "link", "del", self._cable], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self._name], capture_output=True, check=False)


@contextmanager
def machine() -> Iterator[Machine]:
    """One for the length of a `with` block."""
    found = Machine()
    try:
        found.begin()
        yield found
    finally:
        found.end()
