"""Starts real services for the whole test run, before Django reads its settings (loaded with `-p tests.services`).

Their folder is a temporary one. Every setting of the project is taken from here: what the developer's own environment
or `.env` says, and a stack they may be running, make no difference to the tests.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from dataprovider.config import Config
from dataprovider.embedded import ServiceProblem, ServiceStack

STACK = pytest.StashKey[ServiceStack]()
STOP = pytest.StashKey[Callable[[], None]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Runs around pytest-django's own hook, which imports the settings."""
    asked = early_config.known_args_namespace
    home = Path(tempfile.mkdtemp(prefix="dataprovider-tests-"))
    # An empty variable counts as not set, and hides what `.env` says.
    os.environ.update({name.upper(): "" for name in Config.model_fields})
    os.environ["DATAPROVIDER_HOME"] = str(home)
    # TEST_NODES=2: the same tests with the trades on two ClickHouse servers.
    stack = ServiceStack(home, environ={}, nodes=int(os.environ.get("TEST_NODES", "1")))
    stop = _once(stack, home)
    early_config.stash[STOP] = stop
    atexit.register(stop)
    # With several test processes each has services of its own, and the one that hands out the tests needs none.
    hands_out = bool(getattr(asked, "numprocesses", None)) and "PYTEST_XDIST_WORKER" not in os.environ
    if not (asked.collectonly or asked.help or asked.version or hands_out):
        try:
            os.environ.update(stack.start())
        except ServiceProblem as problem:
            raise pytest.UsageError(str(problem)) from None
        early_config.stash[STACK] = stack
    return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Also called after Ctrl-C."""
    stop = config.stash.get(STOP, None)
    if stop is not None:
        stop()
        atexit.unregister(stop)


@pytest.fixture(scope="session")
def service_stack(pytestconfig: pytest.Config) -> ServiceStack:
    """The running stack of this test run."""
    return pytestconfig.stash[STACK]


def _once(stack: ServiceStack, home: Path) -> Callable[[], None]:
    owner = os.getpid()

    def stop() -> None:
        # A forked child of a test must not stop its parent's services.
        if os.getpid() == owner:
            stack.stop()
            shutil.rmtree(home, ignore_errors=True)

    return stop
