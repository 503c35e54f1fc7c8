"""Local look-alikes of where alerts go, over real sockets: Telegram's bot API, a webhook, a mail server."""

from __future__ import annotations

import json
import logging
import threading
import time
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

TOKEN = "12345:secret-token-of-the-test"
MAIL_PASSWORD = "secret-password-of-the-test"


class Lookalike:
    """Keeps what it was sent; `answers` are given first, as (status, body), and then 200."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        #: When it was asked (monotonic), whatever it answered.
        self.asked_at: list[float] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked_at.append(time.monotonic())
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = outer.answers.pop(0) if outer.answers else (200, {"ok": True})
                if status == 200:
                    outer.received.append((self.path, body))
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def lines(self) -> list[str]:
        """Every line that came by Telegram, and that chat 42 was named."""
        assert all(path == f"/bot{TOKEN}/sendMessage" and body["chat_id"] == "42" for path, body in self.received)
        return [line for _, body in self.received for line in body["text"].splitlines()]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Mailbox:
    """A mail server for user `alerts`, and what it was given."""

    def __init__(self, port: int) -> None:
        self.mails: list[tuple[str, str]] = []
        self.receivers: set[str] = set()
        # It says each line of the protocol.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        self._controller = Controller(
            self, hostname="127.0.0.1", port=port, authenticator=self._login, auth_require_tls=False
        )
        self._controller.start()

    def lines(self) -> list[str]:
        """Every line of every mail."""
        return [line for _, body in self.mails for line in body.splitlines() if line]

    def close(self) -> None:
        self._controller.stop()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]
        self.receivers.update(envelope.rcpt_tos)
        self.mails.append((str(mail["subject"]), str(mail.get_content())))
        return "250 OK"

    @staticmethod
    def _login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(handled=False, success=(data.login, data.password) == (b"alerts", MAIL_PASSWORD.encode()))
