"""A batch of trades as columns, and how it goes over the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from clickhouse_driver import Client
from clickhouse_driver import defines as revisions
from clickhouse_driver.block import BlockInfo, ColumnOrientedBlock
from clickhouse_driver.protocol import ClientPacketTypes
from clickhouse_driver.varint import write_varint
from clickhouse_driver.writer import write_binary_str, write_binary_uint8

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]


#: A server that has begun an insert waits for the client's rows, deaf to KILL QUERY, for 300 s unless told otherwise,
#: and a new owner of the shard waits with it. Rows are at hand when an insert begins, so a client that is silent for
#: this many seconds was stopped or cut off; its next try hears from the fence. `poll_interval`: how often it looks.
INSERT_SETTINGS = {"receive_timeout": 2, "poll_interval": 1}


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Aggregated trades, one array per column, all of one length.

    symbol: objects of type str. price, quantity: counts of 10^-8 (int64). timestamp: milliseconds since 1970 (int64).
    aggregate_id, first_trade_id, last_trade_id: uint64. is_buyer_maker: 0 or 1 (uint8).
    """

    symbol: npt.NDArray[np.object_]
    aggregate_id: UInt64s
    price: Int64s
    quantity: Int64s
    first_trade_id: UInt64s
    last_trade_id: UInt64s
    timestamp: Int64s
    is_buyer_maker: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        for name, (dtype, _) in _COLUMNS.items():
            column = getattr(self, name)
            # A silent cast would change digits, and a wrong length would shift every row behind it.
            if column.dtype != np.dtype(dtype) or column.shape != self.symbol.shape or column.ndim != 1:
                raise ValueError(f"column {name} is {column.dtype}{list(column.shape)}, not one row of {dtype}")

    def __len__(self) -> int:
        return len(self.symbol)


#: Column -> numpy's type and ClickHouse's, in the order of statements/insert_trades.sql.
_COLUMNS = {
    "symbol": ("object", "String"),
    "aggregate_id": ("uint64", "UInt64"),
    "price": ("int64", "Int64"),
    "quantity": ("int64", "Int64"),
    "first_trade_id": ("uint64", "UInt64"),
    "last_trade_id": ("uint64", "UInt64"),
    "timestamp": ("int64", "Int64"),
    "is_buyer_maker": ("uint8", "UInt8"),
}


def send_insert(
    client: Client, statement: str, trades: TradeColumns, *, params: dict[str, Any], query_id: str, token: str
) -> None:
    """Run `statement` (INSERT … FROM input(…) FORMAT Native) with these rows as its one block.

    clickhouse-driver's own insert takes no server-side parameters, and its numpy columns need pandas; this does the
    same with the driver's pieces. Raises what the driver raises.
    """
    settings = {**INSERT_SETTINGS, "insert_deduplication_token": token}
    with client.disconnect_on_error(statement, settings):
        connection = client.connection
        connection.send_query(statement, query_id=query_id, params=params)
        connection.send_external_tables(None)
        client.receive_sample_block()
        _send_block(connection, trades)
        client.receive_profile_events()
        # An empty block says that was all.
        connection.send_data(ColumnOrientedBlock())
        client.receive_profile_events()
        client.receive_end_of_insert_query()


def _send_block(connection: Any, trades: TradeColumns) -> None:
    out = connection.fout
    write_varint(ClientPacketTypes.DATA, out)
    write_binary_str("", out)
    BlockInfo().write(out)
    write_varint(len(_COLUMNS), out)
    write_varint(len(trades), out)
    custom = connection.server_info.used_revision >= revisions.DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION
    for name, (_, type_name) in _COLUMNS.items():
        write_binary_str(name, out)
        write_binary_str(type_name, out)
        if custom:
            write_binary_uint8(0, out)
        column = getattr(trades, name)
        out.write(_strings(column) if type_name == "String" else column.tobytes())
    out.flush()


def _strings(column: npt.NDArray[np.object_]) -> bytes:
    """Length and UTF-8 bytes of each; few are different, so each of those is encoded once."""
    values = column.tolist()
    encoded = {value: _string(value) for value in set(values)}
    return b"".join([encoded[value] for value in values])


def _string(value: str) -> bytes:
    data = value.encode()
    length = len(data)
    prefix = bytearray()
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + data
