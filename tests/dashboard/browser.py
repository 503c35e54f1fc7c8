"""A real browser for tests, and a page in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: run `make install-dev`")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DESKTOP, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
SECONDS = 1000

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: install the package chromium to run these"
)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    # Playwright's loop runs in this thread, and nothing else does in it.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
        # Those of this loop, which nobody else would close.
        connections.close_all()


class Page:
    """A page, and what went wrong on it."""

    def __init__(self, browser: Any, size: dict[str, int]) -> None:
        self.page = browser.new_context(viewport=size, has_touch=size is PHONE).new_page()
        self.page.set_default_timeout(30 * SECONDS)
        self.trouble: list[str] = []
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("response", self._answered)

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.trouble.append(f"{response.status} {response.url}")

    def text(self, selector: str) -> str:
        found: str = self.page.text_content(selector)
        return found

    def wait(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def may_not_scroll_sideways(self) -> None:
        wide = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], f"{self.page.url} scrolls sideways"

    def log_in(self, address: str) -> None:
        self.page.goto(f"{address}/admin/")
        self.page.fill("#id_username", "boss")
        self.page.fill("#id_password", "secret-of-this-test")
        self.page.click("[type=submit]")

    def act(self, address: str, row: str, action: str) -> None:
        """Choose an action for one row of a list in the admin."""
        self.page.goto(address)
        self.page.check(f"tr:has(a:text-is('{row}')) .action-select")
        self.page.select_option("[name=action]", action)
        self.page.click("[name=index]")
