"""Secrets made on first start and kept in DATAPROVIDER_HOME, readable by their owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def secret_key(home: Path) -> str:
    """Django's SECRET_KEY for this installation; made on first use."""
    return kept_secret(home / "secret_key", length=50)


def kept_secret(path: Path, *, length: int = 24) -> str:
    """The secret in `path` (mode 0600), made (URL-safe text of at least `length` characters) if there is none.

    Two processes that start together agree: the file is made under another name and linked into place once.
    """
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(length))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
