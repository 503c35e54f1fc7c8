"""A local look-alike of Telegram's bot API and of a webhook, over a real socket."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "12345:secret-token-of-the-test"


class Lookalike:
    """Keeps what it was sent; `answers` are given first, as (status, body), and then 200."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
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
