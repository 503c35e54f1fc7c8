"""The admin pages of collection, and what the pages of other rooms are made of."""

from collectors.admin.confirm import ANSWERED, ask, confirmed
from collectors.admin.counting import rows_per
from collectors.admin.gaps import GapAdmin, StreamBoundaryAdmin
from collectors.admin.operating import Operated, ReadOnly
from collectors.admin.shapes import list_link, row_link
from collectors.admin.shards import CollectorHostAdmin, ShardLeaseAdmin
from collectors.admin.symbols import SymbolAdmin

__all__ = [
    "ANSWERED",
    "CollectorHostAdmin",
    "GapAdmin",
    "Operated",
    "ReadOnly",
    "ShardLeaseAdmin",
    "StreamBoundaryAdmin",
    "SymbolAdmin",
    "ask",
    "confirmed",
    "list_link",
    "row_link",
    "rows_per",
]
