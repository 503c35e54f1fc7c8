"""The examples for a proxy before several web processes: read here, and run where their programs are installed."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websocket
from daphne.cli import CommandLineInterface

from api.intake import MOST_BODY_BYTES
from dataprovider.config import Config
from tests.api.conftest import StartServer
from tests.deploy.proxies import FOLDER, NAME, Example, caddy, check, nginx
from tests.security.test_guards import new_key
from tests.waiting import wait_until

LIVE = "/api/v1/monitoring/live"
SUMMARY = "/api/v1/integrity/summary"
#: This machine has all of 127.0.0.0/8: a client that is not at the proxy's address, and one that may not call.
CLIENT, STRANGER = "127.0.0.2", "127.0.0.3"

Directive = tuple[list[str], "list[Directive] | None"]


def directives(text: str) -> list[Directive]:
    """The directives of nginx's language: their words, and those inside of them where they have a block."""
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    tokens = iter(re.findall(r"\"[^\"]*\"|'[^']*'|[{};]|[^\s{};]+", text))

    def block() -> list[Directive]:
        found: list[Directive] = []
        words: list[str] = []
        for token in tokens:
            if token == "}":
                break
            if token == ";":
                found.append((words, None))
                words = []
            elif token == "{":
                found.append((words, block()))
                words = []
            else:
                words.append(token.strip("\"'"))
        assert not words, f"{words} does not end"
        return found

    return block()


def named(found: list[Directive], name: str) -> list[list[str]]:
    return [words[1:] for words, _ in found if words[0] == name]


def inside(found: list[Directive], *words: str) -> list[list[Directive]]:
    return [block for each, block in found if block is not None and tuple(each) == words]


def seconds(words: list[str]) -> int:
    (text,) = words
    return int(text.removesuffix("s"))


def test_the_example_for_nginx_waits_long_enough_passes_on_what_it_must_and_logs_no_key() -> None:
    text = (FOLDER / "nginx.conf").read_text()
    assert text.count("{") == text.count("}")
    whole = directives(text)
    tls, plain = inside(whole, "server")
    (location,) = inside(tls, "location", "/")
    ping = CommandLineInterface().parser.parse_args(["dataprovider.asgi:application"]).ping_interval
    for name in ("proxy_read_timeout", "proxy_send_timeout"):
        (waits,) = named(location, name)
        assert seconds(waits) > 2 * max(ping, Config.model_fields["websocket_heartbeat_seconds"].default)
    headers = {words[0]: words[1] for words in named(location, "proxy_set_header")}
    assert headers == {
        "Host": "$http_host",
        "X-Forwarded-For": "$proxy_add_x_forwarded_for",
        "Upgrade": "$http_upgrade",
        "Connection": "$dataprovider_connection",
    }
    (most,) = named(tls, "client_max_body_size")
    assert int(most[0].removesuffix("m")) * 1024**2 > MOST_BODY_BYTES
    (upstream,) = inside(whole, "upstream", "dataprovider")
    # What twisted closes after 60 seconds must not be used in the 60th.
    (idle,) = named(upstream, "keepalive_timeout")
    assert seconds(idle) < 60
    (form,) = named(whole, "log_format")
    assert set(re.findall(r"\$\w+", form[1])) == {
        *("$remote_addr", "$time_iso8601", "$request_method", "$uri", "$status", "$body_bytes_sent", "$request_time"),
        "$upstream_addr",
    }
    for server in (tls, plain):
        (access,), (errors,) = named(server, "access_log"), named(server, "error_log")
        assert access == ["off"] or access[1] == form[0]
        assert errors[1] == "crit"


def test_the_example_for_caddy_looks_whether_a_process_lives_and_logs_no_key() -> None:
    text = (FOLDER / "Caddyfile").read_text()
    assert text.count("{") == text.count("}")
    assert f"health_uri {LIVE}\n" in text
    for line in (r'request>uri regexp "\?.*" ""', "request>headers delete", "resp_headers delete"):
        assert f"\t{line}\n" in text


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def example(request: pytest.FixtureRequest) -> Callable[..., Example]:
    found: Callable[..., Example] = request.param
    return found


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def test_the_program_itself_understands_it(example: Callable[..., Example], tmp_path: Path) -> None:
    check(example(tmp_path, *free_ports(), (8081, 8082)))


class Front:
    """The proxy as its clients see it."""

    def __init__(self, folder: Path, port: int) -> None:
        self._context = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        self._port = port

    def connect(self, source: str = CLIENT) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=10, source_address=(source, 0))
        return self._context.wrap_socket(plain, server_hostname=NAME)

    def ask(self, path: str, source: str = CLIENT, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Status and body."""
        connection = http.client.HTTPSConnection(NAME, self._port)
        connection.sock = self.connect(source)
        try:
            connection.request("GET" if body is None else "POST", path, body=body, headers=_headers(headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def watch(self, path: str) -> websocket.WebSocket:
        found: websocket.WebSocket = websocket.create_connection(
            f"wss://{NAME}:{self._port}{path}", socket=self.connect(), origin=f"https://{NAME}:{self._port}"
        )
        return found


def _headers(names: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in names.items()}


@contextmanager
def running(example: Example, folder: Path) -> Iterator[Front]:
    variables = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(example.run, stdout=output, stderr=output, env=variables)
    front = Front(folder, example.port)

    def answers() -> bool:
        assert process.poll() is None, (folder / "output.log").read_text()
        try:
            return front.ask(LIVE)[0] == 200
        except OSError:
            return False

    try:
        wait_until(answers, 20, "the proxy to answer")
        yield front
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.django_db(transaction=True)
def test_it_serves_and_no_key_is_in_what_it_writes(
    example: Callable[..., Example], start_server: StartServer, tmp_path: Path
) -> None:
    folder = tmp_path / "proxy"
    folder.mkdir()
    port, plain_port = free_ports()
    key = new_key()
    webs = [
        start_server(
            TRUSTED_PROXIES="127.0.0.1",
            ALLOWED_IPS=f"127.0.0.1,{CLIENT}",
            ALLOWED_HOSTS=f"127.0.0.1,{NAME}",
            REQUIRE_API_KEY="true",
            WEBSOCKET_HEARTBEAT_SECONDS="1",
        )
        for _ in range(2)
    ]
    ready = example(folder, port, plain_port, [web.port for web in webs])
    with running(ready, folder) as front:
        # Who calls is who connects to the proxy, whatever it says of itself.
        assert front.ask(SUMMARY, X_API_Key=key, X_Forwarded_For="9.9.9.9")[0] == 200
        status, said = front.ask(SUMMARY, source=STRANGER, X_API_Key=key, X_Forwarded_For=CLIENT)
        assert (status, STRANGER in said) == (403, True)
        assert front.ask("/static/admin/css/base.css")[0] == 200
        status, said = front.ask(SUMMARY, body=bytes(MOST_BODY_BYTES + 1), X_API_Key=key)
        assert (status, json.loads(said)["error"]) == (413, "CONTENT_TOO_LARGE")
        client = front.watch(f"/ws/stream?api_key={key}")
        assert json.loads(client.recv())["type"] == "heartbeat"
        with socket.create_connection(("127.0.0.1", plain_port), timeout=10) as plain:
            plain.sendall(f"GET /ws/stream?api_key={key} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
            assert plain.recv(100).split()[1] in (b"301", b"308")
        webs[0].kill()
        assert {front.ask(SUMMARY, X_API_Key=key)[0] for _ in range(20)} == {200}
        other = front.watch(f"/ws/stream?api_key={key}")
        assert json.loads(other.recv())["type"] == "heartbeat"
        webs[1].kill()
        began = time.monotonic()
        assert front.ask(f"{SUMMARY}?api_key={key}", X_API_Key=key)[0] in (502, 503)
        assert time.monotonic() - began < 10
        for each in (client, other):
            each.close(timeout=1)
    written = {path.name: path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()}
    assert [name for name, text in written.items() if key in text] == []
    assert any(SUMMARY in text for text in written.values())
