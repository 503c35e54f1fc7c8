"""No secret gets out: a farm at its most talkative, through everything that fails, and all that it wrote and shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psutil
import pytest
import requests

from tests.api.conftest import StartServer
from tests.fixtures_collectors import ROOT, RunningCollectors, database_url
from tests.fixtures_exchange import RunningExchange
from tests.security.test_guards import new_key
from tests.waiting import wait_until

CLICKHOUSE, REDIS, MAIL = "click@house/pa55", "red:is?pa55#x", "mail&pa55=word/1"
TOKEN, HOOK, SECRET_KEY = "987654321:AAF-telegram_token-of-the-test", "hooks/T024/very-secret-path", "k3y" * 20
PAGES = (
    *("/", "/metrics", "/admin/login/", "/nothing", "/api/v1/docs", "/api/v1/openapi.json", "/api/v1/nothing"),
    *("/api/v1/monitoring/health", "/api/v1/monitoring/ready", "/api/v1/monitoring/live", "/api/v1/system/stats"),
    *("/api/v1/tickers", "/api/v1/data/klines/BTCUSDT", "/api/v1/data/trades/BTCUSDT", "/api/v1/integrity/summary"),
    *("/fapi/v1/klines?symbol=BTCUSDT&interval=1m", "/fapi/v1/exchangeInfo", "/udf/config", "/udf/history?symbol=X"),
    *("/dashboard/overview", "/static/nothing", "/fapi/v1/depth"),
)
COMMANDS = ("syncsymbols", "migrate_clickhouse", "gaps", "verify", "testalerts", "backfill", "check", "migrate")


def spelled(secret: str) -> set[str]:
    """A secret as it may be written."""
    return {secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1]}


@pytest.mark.django_db(transaction=True)
def test_no_secret_is_in_a_log_an_answer_a_page_or_a_command_line(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    start_server: StartServer,
    tmp_path: Path,
    free_port: int,
) -> None:
    key, unknown = new_key("control"), "dp_" + "x" * 43
    database = urlsplit(database_url())
    redis = urlsplit(os.environ["REDIS_URL"])
    nowhere = f"127.0.0.1:{free_port}"
    # Their services are there and refuse what they say; where messages go nobody listens.
    failing = {
        "ENABLE_DEBUG_LOGGING": "true",
        "SECRET_KEY": SECRET_KEY,
        "CLICKHOUSE_PASSWORD": CLICKHOUSE,
        "REDIS_URL": urlunsplit(redis._replace(netloc=f":{quote(REDIS, safe='')}@{redis.hostname}:{redis.port}")),
        "TELEGRAM_ENABLED": "true",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": "42",
        "TELEGRAM_API_URL": f"http://{nowhere}",
        "ALERT_WEBHOOK_URL": f"http://{nowhere}/{HOOK}",
        "ALERT_EMAIL_TO": "a@example.org",
        "EMAIL_URL": f"smtp://alerts:{quote(MAIL, safe='')}@{nowhere}",
        "ALERT_PATIENCE_SECONDS": "0",
        "RECOVERY_WORKERS": "1",
    }
    exchange = start_exchange(symbols=2, rate=50)
    farm = start_collectors(exchange, workers=1, **failing)
    server = start_server(**failing)
    seen = ""
    for page in PAGES:
        for headers in ({}, {"X-API-Key": key}, {"Authorization": f"Bearer {unknown}"}):
            # The login's form goes to the address it came from, with all that is in it.
            query = {} if page.startswith("/admin/") else {"api_key": key}
            answer = requests.get(server.url + page, headers=headers, params=query, timeout=20)
            seen += f"{answer.headers}{answer.text}"
    for path in ("/api/v1/tickers/BTCUSDT/pause", "/api/v1/system/sync", "/api/v1/keys"):
        answer = requests.post(server.url + path, data=b"{" + key.encode(), headers={"X-API-Key": key}, timeout=20)
        seen += f"{answer.headers}{answer.text}"
    wrong = database._replace(netloc=f"{database.username}:postgres%2Fpa55%40w@{database.hostname}:{database.port}")
    environ = {**os.environ, **failing, "DATABASE_URL": urlunsplit(wrong), "DATAPROVIDER_HOME": str(tmp_path / "other")}
    running = [
        subprocess.Popen(
            [sys.executable, "manage.py", command],
            cwd=ROOT,
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for command in COMMANDS
    ]
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    commands = "\n".join(" ".join(each.cmdline()) for each in family if each.is_running())
    said = {name: process.communicate(timeout=60)[0] for name, process in zip(COMMANDS, running, strict=True)}
    assert "assword" in said["gaps"] or "Postgres" in said["gaps"], said["gaps"]
    for what in ("Telegram", "webhook", "mail", "ClickHouse", "Redis"):
        wait_until(lambda what=what: what.lower() in farm.log.read_text().lower(), 30, f"a word of {what} in the log")  # type: ignore[misc]
    assert "DEBUG" in farm.log.read_text()
    farm.stop()
    assert "Traceback" not in "".join(said.values())

    logs = [path.read_text(errors="replace") for path in tmp_path.rglob("*.log")]
    assert len(logs) >= 2
    everything = {"pages": seen, "command lines": commands, "commands": "".join(said.values()), "logs": "".join(logs)}
    assert all(len(text) > 1000 for name, text in everything.items() if name != "commands")
    secrets = [CLICKHOUSE, REDIS, MAIL, TOKEN, HOOK, SECRET_KEY, key, unknown, "postgres/pa55@w"]
    secrets += [database.password or "", redis.password or "", os.environ["CLICKHOUSE_PASSWORD"]]
    assert all(len(each) > 8 for each in secrets)
    found = [
        (where, secret)
        for where, text in everything.items()
        for secret in secrets
        if any(each in text for each in spelled(secret))
    ]
    assert found == [], [everything[where].partition(secret)[0][-200:] for where, secret in found]
