"""Which incidents are open: from conditions that come and go to one message when one begins and one when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: A condition must hold, or be gone, for so long (seconds) before anybody is told: nothing flaps.
PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Message:
    """What a person is told. state: firing, resolved or info. key: the incident, the same in both of its messages."""

    state: str
    key: str
    text: str


@dataclass(slots=True)
class _Incident:
    text: str
    since: float
    #: Since when it seems to be over; None while it holds.
    quiet_since: float | None = None
    told: bool = False


class IncidentBook:
    """Remembers incidents between looks. `patience` in seconds; times are a monotonic clock's."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._incidents: dict[str, _Incident] = {}

    def open(self) -> dict[str, str]:
        """The incidents that were told and are not over: key -> sentence."""
        return {key: each.text for key, each in self._incidents.items() if each.told}

    def restore(self, told: Mapping[str, str]) -> None:
        """Incidents that were told before this process began."""
        for key, text in told.items():
            self._incidents.setdefault(key, _Incident(text, since=0.0, told=True))

    def look(self, conditions: Mapping[str, str], now: float, unknowable: Callable[[str], bool]) -> list[Message]:
        """Compare with the conditions that hold at `now`; what is to be told."""
        messages: list[Message] = []
        for key, text in conditions.items():
            incident = self._incidents.setdefault(key, _Incident(text, since=now))
            incident.text, incident.quiet_since = text, None
            if not incident.told and now - incident.since >= self._patience:
                incident.told = True
                messages.append(Message("firing", key, text))
        for key, incident in list(self._incidents.items()):
            if key in conditions or unknowable(key):
                continue
            if incident.quiet_since is None:
                incident.quiet_since = now
            if not incident.told:
                del self._incidents[key]
            elif now - incident.quiet_since >= self._patience:
                del self._incidents[key]
                messages.append(Message("resolved", key, f"Over: {incident.text}"))
        return messages
