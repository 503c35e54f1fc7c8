"""What the environment names, as the project's settings see it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values


def named_environment(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> dict[str, str]:
    """The variables of `.env` in `folder` (default: the current one) and of `environ` (default: the process's), which
    wins: the sources of dataprovider.config without the running stack's own addresses."""
    environ = os.environ if environ is None else environ
    named = {**dotenv_values((folder or Path.cwd()) / ".env"), **environ}
    return {name: value for name, value in named.items() if value}
