"""What can go wrong with ClickHouse, as few classes as a caller needs to decide what to do next."""

from __future__ import annotations

import re

from clickhouse_driver import errors as driver

from dataprovider.clickhouse.address import Address


class ClickHouseError(Exception):
    """Base of them all; `str()` is a sentence for the user, without passwords."""


class ClickHouseUnavailable(ClickHouseError):
    """No connection, no answer in time, an answer lost, or a server that has no room now: retry the same batch."""


class ShardMoving(ClickHouseUnavailable):
    """The shard is on its way to another node: the same call works when it has arrived."""


class ClickHouseRejected(ClickHouseError):
    """The server understood and said no; the same again would fail again. `code` is ClickHouse's error code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class StaleEpoch(ClickHouseError):
    """Somebody with a higher epoch owns the shard now; nothing was stored."""


class StaleClaim(ClickHouseError):
    """The work was given to somebody else; nothing was stored."""


class SchemaChanged(ClickHouseError):
    """A migration file is not the one that was applied."""


class NodesDisagree(ClickHouseError):
    """The settings and the servers mean different nodes, or trades lie where nobody would look for them."""


_Codes = driver.ErrorCodes

#: Server errors that pass (ClickHouse/src/Common/ErrorCodes.cpp). 216 is our own earlier try that still runs there, 394
#: an insert that was killed, whose next try hears from the fence.
PASSING_CODES = frozenset(
    {
        _Codes.ATTEMPT_TO_READ_AFTER_EOF,
        _Codes.TIMEOUT_EXCEEDED,
        _Codes.TOO_MANY_SIMULTANEOUS_QUERIES,
        _Codes.SOCKET_TIMEOUT,
        _Codes.NETWORK_ERROR,
        _Codes.QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING,
        _Codes.ABORTED,
        _Codes.MEMORY_LIMIT_EXCEEDED,
        _Codes.NOT_ENOUGH_SPACE,
        _Codes.TOO_MANY_PARTS,
        _Codes.UNKNOWN_STATUS_OF_INSERT,
        _Codes.QUERY_WAS_CANCELLED,
        _Codes.KEEPER_EXCEPTION,
        # A replica without its Keeper, or, with insert_quorum, without enough others.
        _Codes.NO_ZOOKEEPER,
        _Codes.TABLE_IS_READ_ONLY,
        _Codes.TOO_LESS_LIVE_REPLICAS,
        _Codes.UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE,
        _Codes.ALL_CONNECTION_TRIES_FAILED,
    }
)

_AUTHENTICATION_FAILED = 516
_FENCE = _Codes.FUNCTION_THROW_IF_VALUE_IS_NON_ZERO


def translated(error: Exception, address: Address) -> ClickHouseError:
    """The error of ours for one of clickhouse-driver's, of a socket's, or of a stream that ended early."""
    if isinstance(error, driver.ServerException):
        return _from_server(error, address)
    if isinstance(error, driver.SocketTimeoutError | TimeoutError):
        return ClickHouseUnavailable(f"ClickHouse at {address} did not answer in time.")
    if isinstance(error, driver.NetworkError | ConnectionError | OSError) and not isinstance(error, EOFError):
        return ClickHouseUnavailable(
            f"ClickHouse does not answer at {address}: start it (`manage.py runservices` starts one of its own), "
            "or set CLICKHOUSE_HOST and CLICKHOUSE_NATIVE_PORT."
        )
    return ClickHouseUnavailable(f"ClickHouse at {address} broke off in the middle of an answer.")


def _from_server(error: driver.ServerException, address: Address) -> ClickHouseError:
    said = _first_sentence(error.message or "")
    code = int(error.code or 0)
    if code == _FENCE and said.startswith("stale epoch"):
        return StaleEpoch("The shard belongs to a newer epoch; nothing was stored.")
    if code == _FENCE and said.startswith("revoked claim"):
        return StaleClaim("The recovery job was given to another worker; nothing was stored.")
    if code in PASSING_CODES:
        return ClickHouseUnavailable(f"ClickHouse at {address} cannot do it now (code {code}): {said}")
    if code in (_AUTHENTICATION_FAILED, _Codes.UNKNOWN_USER, _Codes.WRONG_PASSWORD, _Codes.REQUIRED_PASSWORD):
        return ClickHouseRejected(
            f"ClickHouse at {address} does not let {address.username!r} in: set CLICKHOUSE_USERNAME and "
            "CLICKHOUSE_PASSWORD.",
            code,
        )
    if code in (_Codes.UNKNOWN_DATABASE, _Codes.UNKNOWN_TABLE):
        return ClickHouseRejected(
            f"ClickHouse at {address} has no tables in database {address.database!r} yet, or not all of them: "
            f"run `manage.py migrate_clickhouse`. It said: {said}",
            code,
        )
    return ClickHouseRejected(f"ClickHouse at {address} refused (code {code}): {said}", code)


def _first_sentence(message: str) -> str:
    """What the server said, without its stack trace and on one line."""
    text = message.split("Stack trace:")[0].strip().removeprefix("DB::Exception:").strip()
    return re.sub(r"\s+", " ", text)[:300]
