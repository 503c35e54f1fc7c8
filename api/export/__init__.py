"""Bulk export: whole ranges of trades and candles as files, streamed in bounded pieces."""

from api.export.routes import router

__all__ = ["router"]
