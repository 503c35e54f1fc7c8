"""What the stack needs to know of each embedded service."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from dataprovider.embedded.ports import Ports
from dataprovider.embedded.process import Launch


class Service(ABC):
    """One service: where its files are, how it is started, and how to see that it works."""

    #: Its name in DATAPROVIDER_HOME and in ServiceStack.services.
    name: str
    #: Its name for people.
    label: str
    #: The variable that names an existing one instead.
    variable: ClassVar[str]
    #: The variable that names several existing ones, if several can serve.
    plural: ClassVar[str] = ""
    #: Its ports' names, the main one first, with the settings they are changed by.
    port_settings: dict[str, str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, home: Path) -> None:
        self.folder = home / self.name
        self.ports: dict[str, int] = {}

    @property
    def port(self) -> int:
        """The main port; 0 before it is chosen."""
        return self.ports.get(next(iter(self.port_settings)), 0)

    def choose_ports(self, ports: Ports) -> None:
        """Choose all ports. Raises ServiceProblem when a wanted one is taken."""
        self.ports = {name: ports.choose(name, setting=setting) for name, setting in self.port_settings.items()}

    @abstractmethod
    def find(self) -> None:
        """Find the program. Raises ServiceProblem when its wheel is missing or nothing may run it here."""

    @abstractmethod
    def prepare(self) -> None:
        """Make folders, passwords and configuration for the chosen ports; may be called again.

        Raises ServiceProblem or OSError.
        """

    @abstractmethod
    def launch(self) -> Launch:
        """How to start it."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Speak its protocol once, as the application will, and make what must be there (the database); takes at most
        about two seconds."""

    @abstractmethod
    def variables(self) -> dict[str, str]:
        """The environment variables by which the application finds it."""
