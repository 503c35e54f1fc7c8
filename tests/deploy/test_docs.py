"""What the documents say is so: links lead somewhere, settings are all there, quoted errors are those of the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.deploy import settings_table
from tests.deploy.reading import ROOT

PAGES = sorted(
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/**/*.md")) if path.is_file()
)
PACKAGES = ("api", "collectors", "dataprovider", "integrity")


def anchors(page: Path) -> set[str]:
    """The headings of a page as a link names them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {target}"


def test_the_readme_is_for_newcomers() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
    assert (ROOT / "docs" / "dashboard.png").stat().st_size < 300_000


def test_the_table_of_settings_is_up_to_date() -> None:
    assert settings_table.PAGE.read_text() == settings_table.page(), "run `make docs`"


def test_quoted_errors_are_those_of_the_code() -> None:
    said = "\n".join(text for package in PACKAGES for path in (ROOT / package).rglob("*.py") for text in strings(path))
    quoted = re.findall(r"^> (.+)$", (ROOT / "docs" / "OPERATING.md").read_text(), re.MULTILINE)
    assert len(quoted) > 20
    assert [quote for quote in quoted if quote.strip() not in said] == []


def strings(path: Path) -> list[str]:
    """Every string of a module, with … for what is put in."""
    return [text for node in ast.walk(ast.parse(path.read_text())) if (text := _flat(node))]


def _flat(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join("…" if isinstance(part, ast.FormattedValue) else _flat(part) for part in node.values)
    return ""


def test_every_command_of_the_documents_is_one() -> None:
    from django.core.management import get_commands

    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        text = page.read_text()
        assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= set(get_commands()), page
        assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets, page
