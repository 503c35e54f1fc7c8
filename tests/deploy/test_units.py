"""The systemd units, by systemd's own opinion where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.reading import PYTHON, UNITS, unit


@pytest.mark.parametrize("name", ["web", "collectors"])
def test_a_unit_is_not_root_and_comes_back(name: str) -> None:
    lines = unit(name)
    assert lines["User"] == ["dataprovider"]
    assert lines["Restart"] == ["always"]
    assert lines["StartLimitIntervalSec"] == ["0"]
    for hardening in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictNamespaces"):
        assert lines[hardening] == ["yes"], hardening
    assert lines["ProtectSystem"] == ["strict"]
    # Strict makes everything read-only but these two, which the settings name.
    assert lines["StateDirectory"] == lines["LogsDirectory"] == ["dataprovider"]
    assert "DATAPROVIDER_HOME=/var/lib/dataprovider LOGS_DIR=/var/log/dataprovider" in lines["Environment"][0]


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed here")
    files = []
    for path in UNITS.glob("*.service"):
        copy = tmp_path / path.name
        # It looks whether programs exist, and nothing is installed under /opt here.
        copy.write_text(path.read_text().replace(PYTHON, "/bin/true"))
        files.append(str(copy))
    done = subprocess.run(
        [analyze, "verify", "--man=no", *files], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "dataprovider-" in line]
    assert complaints == []
