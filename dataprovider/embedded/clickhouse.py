"""ClickHouse from the wheel chdb-core: every trade."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import psutil
from clickhouse_driver import Client
from clickhouse_driver.errors import Error as ClickHouseDriverError

from dataprovider.clickhouse.cluster import CLUSTER
from dataprovider.embedded.home import write_private
from dataprovider.embedded.ports import LOOPBACK, accepts
from dataprovider.embedded.problems import ServiceProblem
from dataprovider.embedded.process import Launch
from dataprovider.embedded.service import Service
from dataprovider.embedded.wheels import wheel_folder
from dataprovider.secrets import kept_secret

SERVER = Path(__file__).with_name("clickhouse_server.py")
USERNAME = "dataprovider"
#: ClickHouse's own user: it has no password and runs the query that keeps the server listening.
BUILT_IN_USER = "default"
DATABASE = "trades"
LOG_LEVEL = "warning"
MERGE_THREADS = 4
MEMORY_SHARE = 0.4
MAX_MEMORY = 8_000_000_000
MIN_MEMORY = 1_000_000_000
CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")

CONFIG = """<clickhouse>
  <log-level>{log_level}</log-level>
  <logger><level>{log_level}</level><log>{log}</log><size>10M</size><count>2</count></logger>
  <listen_host>{host}</listen_host>
  <tcp_port>{native_port}</tcp_port>
  <http_port>{http_port}</http_port>
  <users_config>{users}</users_config>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <background_pool_size>{pool}</background_pool_size>
  <shutdown_wait_unfinished>1</shutdown_wait_unfinished>
{cluster}</clickhouse>
"""

NODE = """    <shard><replica>
      <host>{host}</host><port>{port}</port><user>{user}</user><password>{password}</password>
    </replica></shard>
"""

#: The built-in user has no password and whoever is on this machine can be it: it may do what keeps the server
#: listening (clickhouse_server.py) and nothing else. It must not get a max_execution_time.
USERS = """<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT CREATE TEMPORARY TABLE ON *.*</query>
        <query>GRANT READ ON FILE</query>
      </grants>
    </default>
    <{name}>
      <password_sha256_hex>{digest}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </{name}>
  </users>
</clickhouse>
"""


class ClickHouse(Service):
    """A real ClickHouse that listens (native TCP and HTTP) from a process of its own (clickhouse_server.py)."""

    name = "clickhouse"
    label = "ClickHouse"
    variable = "CLICKHOUSE_HOST"
    plural = "CLICKHOUSE_NODES"
    port_settings = {"clickhouse_native": "CLICKHOUSE_NATIVE_PORT", "clickhouse_http": "CLICKHOUSE_HTTP_PORT"}

    def __init__(self, home: Path, environ: Mapping[str, str], *, number: int = 1) -> None:
        """`environ` may name CLICKHOUSE_DATABASE, CLICKHOUSE_USERNAME and CLICKHOUSE_PASSWORD.

        `number`: which of several it is, counted from 1.
        """
        if number > 1:
            self.name = f"clickhouse-{number}"
            self.label = f"ClickHouse {number}"
            # No setting names their ports.
            self.port_settings = {f"clickhouse_{number}_native": "", f"clickhouse_{number}_http": ""}
        super().__init__(home)
        #: All of them in their order, when there are several.
        self.nodes: Sequence[ClickHouse] = [self]
        self._password_file = home / "secrets" / "clickhouse"
        self._log = home / "logs" / f"{self.name}-server.log"
        self._database = environ.get("CLICKHOUSE_DATABASE") or DATABASE
        self._username = environ.get("CLICKHOUSE_USERNAME") or USERNAME
        self._given_password = environ.get("CLICKHOUSE_PASSWORD") or ""

    def find(self) -> None:
        wheel_folder("chdb", label=self.label, variable=self.variable)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self._username):
            raise ServiceProblem(f"CLICKHOUSE_USERNAME may hold letters, digits and _ only (it is {self._username!r}).")
        if self._username == BUILT_IN_USER:
            raise ServiceProblem(
                f"The embedded ClickHouse keeps the user `{BUILT_IN_USER}` for itself: leave CLICKHOUSE_USERNAME out "
                "or name another, or set CLICKHOUSE_HOST to a ClickHouse that is already running."
            )
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self._database):
            raise ServiceProblem(f"CLICKHOUSE_DATABASE may hold letters, digits and _ only (it is {self._database!r}).")

    def prepare(self) -> None:
        (self.folder / "data").mkdir(mode=0o700, parents=True, exist_ok=True)
        users = self.folder / "users.xml"
        digest = hashlib.sha256(self._password.encode()).hexdigest()
        write_private(users, USERS.format(name=self._username, digest=digest))
        config = CONFIG.format(
            log_level=LOG_LEVEL,
            log=escape(str(self._log)),
            host=LOOPBACK,
            native_port=self.port,
            http_port=self.http_port,
            users=escape(str(users)),
            memory=memory_bound() // len(self.nodes),
            pool=MERGE_THREADS,
            cluster=self._cluster(),
        )
        write_private(self.folder / "config.xml", config)

    def launch(self) -> Launch:
        command = [sys.executable, "-P", str(SERVER), str(self.folder), str(self.folder / "data")]
        # The time zone of a column that names none; the server takes it from its environment.
        return Launch(command=command, folder=self.folder, variables={"TZ": "UTC"})

    def is_ready(self) -> bool:
        # clickhouse-driver logs a traceback for each refused connection, so ask more quietly first.
        if not accepts(self.port):
            return False
        client = Client(
            LOOPBACK,
            self.port,
            user=self._username,
            password=self._password,
            connect_timeout=1,
            send_receive_timeout=2,
        )
        try:
            client.execute(f"CREATE DATABASE IF NOT EXISTS `{self._database}` ENGINE = Atomic")
            return bool(client.execute("SELECT 1") == [(1,)])
        except (ClickHouseDriverError, OSError, EOFError):
            return False
        finally:
            client.disconnect()

    @property
    def http_port(self) -> int:
        """The port of its HTTP interface."""
        return self.ports[list(self.port_settings)[1]]

    def variables(self) -> dict[str, str]:
        first, *others = self.nodes
        if self is not first:
            return {}
        nodes = ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)
        return {
            "CLICKHOUSE_HOST": LOOPBACK,
            **({"CLICKHOUSE_NODES": nodes} if others else {}),
            "CLICKHOUSE_NATIVE_PORT": str(self.port),
            "CLICKHOUSE_HTTP_PORT": str(self.http_port),
            "CLICKHOUSE_DATABASE": self._database,
            "CLICKHOUSE_USERNAME": self._username,
            "CLICKHOUSE_PASSWORD": self._password,
        }

    def _cluster(self) -> str:
        """The nodes as each of them must know them; nothing for one."""
        if len(self.nodes) == 1:
            return ""
        user, password = escape(self._username), escape(self._password)
        nodes = "".join(NODE.format(host=LOOPBACK, port=node.port, user=user, password=password) for node in self.nodes)
        return f"  <remote_servers><{CLUSTER}>\n{nodes}  </{CLUSTER}></remote_servers>\n"

    @property
    def _password(self) -> str:
        return self._given_password or kept_secret(self._password_file)


def memory_bound() -> int:
    """What ClickHouse may use, bytes: a share of this machine's (or container's) memory, between 1 and 8 GB."""
    total = psutil.virtual_memory().total
    try:
        total = min(total, int(CGROUP_MEMORY.read_text()))
    except (OSError, ValueError):
        pass
    return int(min(MAX_MEMORY, max(MIN_MEMORY, total * MEMORY_SHARE)))
