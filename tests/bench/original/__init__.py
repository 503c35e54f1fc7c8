"""The original's way of doing the same work, as its README describes it, on the same server.

Its DDL and its queries are in the files beside this one, word for word; where the README gives none, what it describes
is written in the way that favours it. It says of itself: "INSERT (batch 50K): 125,000 rows/s", "OHLCV query (1 month):
150ms", "real-time latency < 100ms", "archive download 2.5M trades/min" (41,000/s).
"""

from tests.bench.original.table import OriginalTable

__all__ = ["OriginalTable"]
