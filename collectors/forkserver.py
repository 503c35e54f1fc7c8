"""Loaded by the fork server before it forks its first worker, and nowhere else.

A SIGTERM to the whole process group (as a service manager sends it) is for the supervisor and the workers, which drain;
the fork server has to live until they have: it tells the supervisor how each worker ended.
"""

from __future__ import annotations

import signal

from collectors import worker

signal.signal(signal.SIGTERM, signal.SIG_IGN)

__all__ = ["worker"]
