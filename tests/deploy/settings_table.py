"""The table of settings in docs/OPERATING.md, made out of .env.example and the defaults in dataprovider/config.py.

`python -m tests.deploy.settings_table` (`make docs`) writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dataprovider.config import Config
from tests.deploy.reading import ROOT

EXAMPLE, PAGE = ROOT / ".env.example", ROOT / "docs" / "OPERATING.md"
BEGIN, END = "<!-- settings: written by `make docs` out of .env.example -->\n", "<!-- end of settings -->\n"


@dataclass
class Group:
    """Settings that one comment explains."""

    meaning: str
    names: list[str] = field(default_factory=list)


def table() -> str:
    """The whole part between the marks."""
    parts = []
    for title, about, groups in _sections(EXAMPLE.read_text()):
        rows = [
            f"| {'<br>'.join(f'`{name}`' for name in group.names)} "
            f"| {'<br>'.join(map(_default, group.names))} | {group.meaning} |"
            for group in groups
        ]
        parts.append(
            "\n".join(
                [
                    f"### {title}\n",
                    *([f"{about}\n"] if about else []),
                    "| setting | default | |",
                    "|---|---|---|",
                    *rows,
                ]
            )
        )
    return "\n" + "\n\n".join(parts) + "\n\n"


def page() -> str:
    """docs/OPERATING.md as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def _sections(text: str) -> list[tuple[str, str, list[Group]]]:
    """(title, what is said of it, its groups): a line `# --- Title. What is said.` begins one."""
    found: list[tuple[str, str, list[Group]]] = [("In general", "", [])]
    comment: list[str] = []
    group: Group | None = None
    for line in text.splitlines()[4:]:
        if line.startswith("# --- "):
            title, about = re.match(r"# --- ([^.:]+)[.:]?\s*(.*)", line).groups()  # type: ignore[union-attr]
            found.append((title, about[:1].upper() + about[1:], []))
            comment, group = [], None
        elif setting := re.fullmatch(r"# ([A-Z_]+)=.*", line):
            if group is None:
                group = Group(" ".join(comment).replace("|", "\\|"))
                found[-1][2].append(group)
            group.names.append(setting[1])
        elif line:
            if group is not None:
                comment, group = [], None
            comment.append(line.removeprefix("# "))
    return found


def _default(name: str) -> str:
    known = Config.model_fields.get(name.lower())
    if known is None:
        example = re.search(rf"^# {name}=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
        value: object = example[1] if example else ""
    else:
        value = known.default
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, bool):
        value = str(value).lower()
    return "" if value in ("", None) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page())
