"""Writing to a client's socket without asking first whether it takes anything: nearly always it does."""

from __future__ import annotations

import asyncio
from typing import Any


class PromptWriting:
    """Lets a connection of Twisted write what it was given once the task at hand has ended.

    Twisted registers the socket with epoll for each write, is told at once that it is writable, and takes it off the
    list again: two system calls more than the write itself. Here that happens only for what the socket did not take.
    What is written between two turns of the event loop still goes out together.
    """

    def __init__(self, transport: Any) -> None:
        """`transport`: a twisted.internet.tcp.Connection."""
        self._transport = transport
        self._write_when_possible = transport.startWriting
        self._loop = asyncio.get_running_loop()
        self._is_due = False
        # Twisted calls it for whatever is to be written, and for a connection that is to end.
        transport.startWriting = self._start

    def undo(self) -> None:
        """Leave the connection as it was."""
        del self._transport.startWriting

    def _start(self) -> None:
        # Behind what the socket did not take.
        if self._transport.dataBuffer:
            self._write_when_possible()
        elif not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._is_due = False
        if not self._transport.connected:
            return
        # An end, wished for or not, is carried out by who calls doWrite else: it comes to the same result again.
        has_ended = self._transport.doWrite() is not None
        if has_ended or self._transport.dataBuffer:
            self._write_when_possible()
