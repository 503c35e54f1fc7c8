"""What is wrong with a setting, as one line for people that names it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

#: How alike a name in `.env` must be to a setting's to be taken for a slip (0 to 1).
ALIKE = 0.85
_SECRET = ("PASSWORD", "TOKEN", "URL", "KEY")


def sentence(item: Mapping[str, Any]) -> str:
    """One of pydantic's errors; what was given is repeated unless it may be secret."""
    message = _plain(item)
    if not item["loc"]:
        return message
    name = str(item["loc"][0]).upper()
    given = "" if any(part in name for part in _SECRET) else f" (it is {item['input']!r})"
    return f"{name}: {message[0].lower()}{message[1:]}{given}"


def slips(names: Iterable[str], settings: Collection[str], others: Collection[str]) -> Iterator[str]:
    """Names that are no setting but look like one that was meant; `others` are known to somebody else.

    What is like nothing here may be another program's, and is left alone.
    """
    for name in names:
        if name not in settings and name not in others:
            meant = get_close_matches(name.upper(), settings, n=1, cutoff=ALIKE)
            if meant:
                yield f"{name} in .env is not a setting: {meant[0]} is; correct the name, or take the line out"


def _plain(item: Mapping[str, Any]) -> str:
    context = item.get("ctx", {})
    match item["type"]:
        case "greater_than_equal":
            return f"must be {context['ge']} or more"
        case "less_than_equal":
            return f"must be {context['le']} or less"
        case "int_parsing" | "int_from_float":
            return "must be a whole number"
        case "float_parsing":
            return "must be a number"
        case "bool_parsing":
            return "must be true or false"
        case "string_pattern_mismatch":
            return "must be letters, digits and _ alone, and not begin with a digit"
        case "literal_error":
            return f"must be {context['expected']}"
    return str(item["msg"]).removeprefix("Value error, ")
