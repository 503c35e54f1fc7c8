"""SQL lives in .sql files: no Python file holds a statement for a database."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "collectors", "dataprovider", "integrity")

#: What the servers from wheels are started with before there is a database to speak of.
ALLOWED = "dataprovider/embedded/"

STATEMENT = re.compile(
    r"\b(SELECT\b[^.]*\bFROM|INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+\w+\s+SET|KILL\s+QUERY\s|OPTIMIZE\s+TABLE|"
    r"(CREATE|ALTER|DROP|TRUNCATE|RENAME|ATTACH|DETACH)\s+(TABLE|DATABASE|VIEW|USER|ROLE|INDEX))\b",
    re.DOTALL,
)


def statements(source: str) -> list[int]:
    """Lines whose string literals, docstrings apart, look like SQL."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
        and STATEMENT.search(node.value)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_python_file_holds_sql(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        if not path.relative_to(ROOT).as_posix().startswith(ALLOWED) and "migrations" not in path.parts
        for line in statements(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_search_finds_sql() -> None:
    assert statements("x = 'SELECT 1 ' f'FROM {table}'") == [1]
    assert statements("def f():\n    'DROP TABLE is explained here.'\n    return 'DROP TABLE x'") == [3]
