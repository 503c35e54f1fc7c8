"""An installation without settings serves this machine alone, and keeps its secrets."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from dataprovider.config import load_config
from tests.api.conftest import ROOT

ASK = (
    "import json; from django.conf import settings as s; "
    "print(json.dumps([s.DEBUG, s.ALLOWED_HOSTS, s.CORS_ALLOWED_ORIGINS, s.SECRET_KEY]))"
)


def settings_of(home: Path) -> list[Any]:
    environ = {"PATH": os.environ["PATH"], "DATAPROVIDER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    environ["DJANGO_SETTINGS_MODULE"] = "dataprovider.settings"
    done = subprocess.run([sys.executable, "-c", ASK], env=environ, cwd=home.parent, capture_output=True, check=True)
    found: list[Any] = json.loads(done.stdout)
    return found


def test_without_settings_only_this_machine_is_served(tmp_path: Path) -> None:
    config = load_config({}, tmp_path)
    assert config.api_host == "127.0.0.1"
    assert config.rate_limit_per_minute == 1200
    debug, hosts, origins, _ = settings_of(tmp_path / "home")
    assert debug is False
    assert set(hosts) == {"127.0.0.1", "localhost", "[::1]"}
    assert origins == []


def test_the_secret_key_is_made_once_and_is_the_owners(tmp_path: Path) -> None:
    home = tmp_path / "home"
    key = settings_of(home)[-1]
    assert len(key) >= 50
    assert settings_of(home)[-1] == key
    assert stat.S_IMODE((home / "secret_key").stat().st_mode) == 0o600
    assert settings_of(tmp_path / "other")[-1] != key


@pytest.mark.parametrize(("origin", "status"), [("https://localhost", 200), ("https://evil.example", 403)])
def test_a_proxy_with_tls_does_not_keep_anybody_from_logging_in(db: None, origin: str, status: int) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "c" * 32
    form = {"username": "somebody", "password": "wrong", "csrfmiddlewaretoken": "c" * 32}
    assert client.post("/admin/login/", form, HTTP_HOST="localhost", HTTP_ORIGIN=origin).status_code == status
