"""A defect of ours is a sentence for whoever asked, and everything about it is in the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.conftest import refusal, running

SENTENCE = "Something went wrong here; it was written to the log."


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "daphne.log"


def test_a_defect_is_one_sentence(test_database_url: str, log: Path) -> None:
    with running({"DATABASE_URL": test_database_url}, log, "tests.api.defective:application") as server:
        for path in ("/defect", "/async-defect"):
            page = server.get(path)
            assert (page.status_code, page.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
            assert "<h1>That went wrong</h1>" in page.text
            assert SENTENCE in page.text
            assert "secret" not in page.text
        for path in ("/api/v1/defect", "/api/defect"):
            assert refusal(server.get(path)) == (500, "INTERNAL_ERROR", SENTENCE)
        assert server.get("/api/v1/monitoring/live").status_code == 200
    said = log.read_text()
    assert said.count("RuntimeError: the secret of a defect") == 4, said
