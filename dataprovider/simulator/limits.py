"""The exchange's limits, documented or measured, in one place. All can be set for a test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    #: Streams on one connection; one more ends it (measured: error code 4, then close 1008).
    streams_per_connection: int = 1024
    #: Client messages: 10 a second are documented; a burst of 15 passes, 40 do not (measured).
    messages_per_s: float = 10.0
    message_burst: int = 20
    #: Connection attempts of one address in five minutes (a Spot rule).
    connection_attempts: int = 300
    connection_window_s: float = 300.0
    ping_every_s: float = 180.0
    pong_within_s: float = 600.0
    #: How long a connection lives.
    life_s: float = 86_400.0
    #: Bytes waiting for one reader; more, and it is disconnected as too slow.
    buffer_bytes: int = 64_000_000
    #: REST weight a UTC minute and address.
    weight_per_minute: int = 2400
    #: Requests answered 429 before an address is banned (418), and the length of its first and longest ban.
    refusals_before_ban: int = 20
    first_ban_s: int = 120
    longest_ban_s: int = 3 * 86_400
    #: How far REST looks back, by the exchange's clock (it was 24 h, and a year before that).
    look_back_hours: float = 48.0
    #: Hours after the end of a UTC day at which its archive appears; negative: as soon as there is one.
    archive_delay_hours: float = 8.0
