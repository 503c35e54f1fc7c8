"""Where the wheels of the embedded services lie. They are looked up, never imported."""

from __future__ import annotations

import importlib.util
import platform
from pathlib import Path

from dataprovider.embedded.problems import ServiceProblem


def wheel_folder(package: str, *, label: str, variable: str) -> Path:
    """The folder of an installed package.

    `label` is the service's name for people, `variable` what names an existing service instead.
    Raises ServiceProblem when the package is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ServiceProblem(_missing(f"the wheel with {label} is not installed", label, variable))
    return Path(next(iter(found.submodule_search_locations)))


def wheel_file(file: Path, *, label: str, variable: str) -> Path:
    """`file` itself, when the installed wheel has it; otherwise the wheel is not made for this platform.

    Raises ServiceProblem when there is no such file.
    """
    if not file.is_file():
        machine = f"{platform.system()} {platform.machine()}"
        raise ServiceProblem(_missing(f"the wheel with {label} has nothing for {machine}", label, variable))
    return file


def _missing(what: str, label: str, variable: str) -> str:
    return (
        f"{label} cannot be started here: {what}. Run `pip install -r requirements-embedded.txt`, "
        f"or set {variable} to a {label} that is already running."
    )
