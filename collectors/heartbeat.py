"""Moved to dataprovider.heartbeat."""

from dataprovider.heartbeat import WorkerStatus, read_workers, write_worker

__all__ = ["WorkerStatus", "read_workers", "write_worker"]
