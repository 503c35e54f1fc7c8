"""The layout: what may import what, and how the parts are named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("dataprovider", "collectors", "integrity", "api")


def test_imports_point_downwards_only() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_django_finds_nothing_wrong_and_no_migration_is_owed(db: None) -> None:
    """The commands skip Django's own checks, which cost each start half a second: they are made here."""
    call_command("check", fail_level="WARNING")
    call_command("makemigrations", "--check", "--dry-run")


def test_every_requirement_is_pinned() -> None:
    for name in ("requirements.txt", "requirements-embedded.txt", "requirements-dev.txt", "requirements-fuzz.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-r ")):
                assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z]+\])?==\S+", line), f"{name}: {line}"


def test_every_module_says_what_it_is_for() -> None:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text()
            if text.strip() and "migrations" not in path.parts:
                assert text.startswith('"""'), path


def test_every_setting_is_explained_in_the_example() -> None:
    from dataprovider.config import Config

    explained = (ROOT / ".env.example").read_text()
    for name in Config.model_fields:
        assert re.search(rf"^# {name.upper()}=", explained, re.MULTILINE), f"{name.upper()} is not in .env.example"
