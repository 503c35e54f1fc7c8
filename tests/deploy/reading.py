"""The files of a deployment as data."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
PYTHON = "/opt/dataprovider/.venv/bin/python"
#: What docker compose fills in from .env: the name, and what follows (a default or a complaint).
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(?::[-?]([^}]*))?\}")


def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors resolved."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def ours() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: service for name, service in compose()["services"].items() if "build" in service}


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, arguments) of each line of the Dockerfile."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def unit(name: str) -> dict[str, list[str]]:
    """The lines of a unit by key; of a template those of its instance 8080."""
    found: dict[str, list[str]] = {}
    (path,) = UNITS.glob(f"dataprovider-{name}*.service")
    for line in path.read_text().replace("%i", "8080").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def commands() -> list[list[str]]:
    """Every command of ours that a deployment runs, beginning with `python`."""
    found = [service["command"] for service in ours().values()]
    found += [service["healthcheck"]["test"][1:] for service in ours().values() if "test" in service["healthcheck"]]
    for instruction, arguments in dockerfile():
        if instruction in ("CMD", "HEALTHCHECK"):
            found.append(json.loads(arguments[arguments.index("[") :]))
    for name in ("web", "collectors"):
        lines = [line for key in ("ExecStartPre", "ExecStart") for line in unit(name).get(key, [])]
        found += [["python", *shlex.split(line)[1:]] for line in lines if shlex.split(line)[0] == PYTHON]
    return found


def seconds(text: str) -> int:
    """`20s` and `20` are 20."""
    return int(text.removesuffix("s"))
