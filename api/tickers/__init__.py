"""Contracts: which there are, whether each is collected, and pausing one."""

from api.tickers.answers import overview
from api.tickers.routes import everything_known, router

__all__ = ["everything_known", "overview", "router"]
