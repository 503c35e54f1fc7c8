"""The Python client, one file to copy: dataprovider_client.py. It imports nothing of the project."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["client_source"]


@cache
def client_source() -> bytes:
    """The file, to be served."""
    return (files("api.client") / "dataprovider_client.py").read_bytes()
