"""The demo stack that a campaign runs on: its processes by role, and an end that leaves none behind."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import requests

from dataprovider.config import Config
from dataprovider.running import Farm
from tests.campaign.exchangelog import ExchangeLog
from tests.campaign.options import Options

SUBSCRIBE_SECONDS = 90.0
#: Contracts that trade so rarely that whole days of them are small files: history comes from those.
RARE = range(40, 3_000)
MOST_HISTORIES = 4
#: Weight a minute that the exchange allows: four times the real one, so that minutes of faults take minutes to mend.
WEIGHT_LIMIT = 9_600

#: Roles, and the farm's name of their process; the others are children of the supervisor, known by their log.
DIRECT = {
    "supervisor": "collectors",
    "web": "web",
    "postgres": "postgres",
    "valkey": "valkey",
    "clickhouse": "clickhouse",
}
BY_LOG = {"worker": "worker-", "recovery": "recovery-", "keeper": "keeper", "alerts": "alerts"}


class Stack:
    """Everything runs as `demo` runs it, in a folder of its own. `say` gets lines for people."""

    def __init__(self, home: Path, options: Options, say: Callable[[str], None], **settings: str) -> None:
        """`settings`: instead of the campaign's own."""
        # Set to nothing, a variable hides what a developer's `.env` says.
        hidden = {name.upper(): "" for name in Config.model_fields}
        # What a driver says of a service that is away is what the campaign wants.
        logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)
        self.home = home
        self._options = options
        self._say = say
        self.farm = Farm(
            home,
            home / "logs",
            {**os.environ, **hidden, **options.settings, **settings},
            api_host="127.0.0.1",
            api_port=_free_port(),
            workers=options.workers,
            say=say,
        )
        #: Rarely traded contracts that are not collected live: their past is brought in while archives are wrong.
        self.histories: list[str] = []
        self.symbols: list[str] = []
        self.restarts = 0

    @property
    def url(self) -> str:
        """The web."""
        return self.farm.url

    @property
    def config(self) -> Config:
        """Settings, with the addresses of the services."""
        assert self.farm.config is not None
        return self.farm.config

    @property
    def exchange_url(self) -> str:
        assert self.farm.exchange is not None
        return self.farm.exchange.url

    def start(self) -> None:
        """Until every contract is subscribed; then the market opens. Raises ServiceProblem or ChildProblem."""
        options = self._options
        self.farm.start_services()
        exchange = self.farm.start_exchange(
            [
                *("--port", "0", "--paused", "--state-dir", str(self.home / "exchange")),
                *("--symbols", str(options.symbols), "--rate", str(options.rate), "--seed", str(options.seed)),
                *("--archive-delay-hours", "-1", "--weight-limit", str(WEIGHT_LIMIT)),
                # Further than the system asks: by REST the comparison reads days that are in archives.
                *("--look-back-hours", "120"),
            ]
        )
        log = ExchangeLog(exchange.url, 200)
        counts = log.counts()
        log.close()
        rare = sorted((number, symbol) for symbol, number in counts.items() if number in RARE)
        self.histories = [symbol for _, symbol in rare[:MOST_HISTORIES]]
        self.symbols = sorted(counts.keys() - set(self.histories))
        self.farm.environ["LOAD_ONLY_TICKERS"] = ",".join(self.symbols)
        self.farm.start_application()
        deadline = time.monotonic() + SUBSCRIBE_SECONDS
        while sum(each.subscribed for each in self.farm.statuses()) < len(self.symbols):
            if time.monotonic() > deadline:
                self._say("Not every contract is subscribed yet; the market opens all the same.")
                break
            self.tend()
            time.sleep(0.2)
        exchange.start_market()

    def tend(self) -> None:
        """What a service manager does, as `demo` does it: what died is started again."""
        for line in self.farm.tend():
            self.restarts += 1
            self._say(line)

    def processes(self, role: str) -> list[psutil.Process]:
        """Who has this role now, oldest name first."""
        try:
            if role in DIRECT:
                return [psutil.Process(self.farm.pids[DIRECT[role]])]
            named = []
            for child in psutil.Process(self.farm.pids["collectors"]).children(recursive=True):
                for name in _logs_of(child):
                    if name.startswith(BY_LOG[role]):
                        named.append((name, child))
            return [child for _, child in sorted(named, key=lambda each: each[0])]
        except (psutil.Error, KeyError):
            return []

    def by_name(self) -> dict[str, list[psutil.Process]]:
        """Every process of ours under a name that stays: services with what they forked, workers one by one."""
        found: dict[str, list[psutil.Process]] = {}
        for role in DIRECT:
            for process in self.processes(role):
                found[role] = [process, *(_family(process) if role in ("postgres", "clickhouse") else [])]
        for role in BY_LOG:
            for number, process in enumerate(self.processes(role)):
                found[f"{role} {number}"] = [process]
        return found

    def control(self, what: str, body: dict[str, object]) -> None:
        """POST to the simulated exchange's own face, /simulator/<what>."""
        requests.post(f"{self.exchange_url}/simulator/{what}", json=body, timeout=30).raise_for_status()

    def clear_faults(self) -> None:
        """The exchange is itself again."""
        requests.delete(f"{self.exchange_url}/simulator/faults", timeout=30).raise_for_status()

    def stop(self) -> list[str]:
        """End everything in order; what was left all the same, which is then killed."""
        self.farm.stop()
        # What was orphaned drains within ten seconds.
        deadline = time.monotonic() + 12.0
        while (left := _processes_of(self.home)) and time.monotonic() < deadline:
            time.sleep(0.2)
        named = [f"{process.pid} {' '.join(process.info['cmdline'][:6])}" for process in left]
        for process in left:
            process.kill()
        return named


def _logs_of(process: psutil.Process) -> list[str]:
    """Names of the log files it has open."""
    try:
        return [Path(file.path).stem for file in process.open_files() if file.path.endswith(".log")]
    except psutil.Error:
        return []


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _processes_of(home: Path) -> list[psutil.Process]:
    """Processes that were told of this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        environ, words = process.info["environ"] or {}, process.info["cmdline"] or []
        ours = environ.get("DATAPROVIDER_HOME") == str(home) or any(str(home) in word for word in words)
        if ours and process.pid != os.getpid():
            found.append(process)
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
