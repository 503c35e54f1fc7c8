"""Which incidents are open: from conditions that come and go to one message when one begins and one when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: A condition must hold, or be gone, for so long (seconds) before anybody is told.
PATIENCE = 15.0
#: Of the same incident again within so many times the patience (an hour), the end must last twice as long each time …
AGAIN_WITHIN = 240.0
#: … up to so many times the patience (a quarter of an hour).
LONGEST_END = 60.0


@dataclass(frozen=True, slots=True)
class Message:
    """What a person is told. state: firing, resolved or info. key: the incident, the same in both of its messages.

    at: when it was told (seconds since 1970), 0 for now.
    """

    state: str
    key: str
    text: str
    at: float = 0.0


@dataclass(slots=True)
class _Incident:
    text: str
    #: When it was last looked at, and for how long in all it has held since it was last over (seconds).
    seen: float
    held: float = 0.0
    #: Since when it seems to be over; None while it holds.
    quiet_since: float | None = None
    told: bool = False


class IncidentBook:
    """Remembers incidents between looks. `patience` in seconds; times are a monotonic clock's.

    What comes and goes all the time is one incident: it is told when it has held for the patience in all, and is over
    when it has stayed away for the patience, for twice that when it was told a second time within an hour, and so on.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._incidents: dict[str, _Incident] = {}
        self._told_at: dict[str, list[float]] = {}
        #: What ended and is not on record as ended yet.
        self._ended: set[str] = set()

    def open(self) -> dict[str, str]:
        """The incidents that were told and are not over: key -> sentence."""
        return {key: each.text for key, each in self._incidents.items() if each.told}

    def restore(self, told: Mapping[str, str]) -> None:
        """The incidents that are on record as open: what another process told is known here too from now on."""
        for key, text in told.items():
            if key not in self._ended:
                self._incidents.setdefault(key, _Incident(text, seen=0.0)).told = True

    def recorded(self) -> None:
        """The record says now what `open` says."""
        self._ended.clear()

    def look(self, conditions: Mapping[str, str], now: float, unknowable: Callable[[str], bool]) -> list[Message]:
        """Compare with the conditions that hold at `now`; what is to be told."""
        messages: list[Message] = []
        for key in [*conditions, *(key for key in self._incidents if key not in conditions)]:
            text = conditions.get(key)
            if text is None and unknowable(key):
                self._incidents[key].seen = now
                continue
            incident = self._incidents.setdefault(key, _Incident(text or "", seen=now))
            if incident.quiet_since is None:
                incident.held += now - incident.seen
            incident.seen = now
            state = self._holds(key, incident, text, now) if text else self._is_quiet(key, incident, now)
            if state:
                prefix = "Over: " if state == "resolved" else ""
                messages.append(Message(state, key, prefix + incident.text))
        return messages

    def _holds(self, key: str, incident: _Incident, text: str, now: float) -> str:
        incident.text, incident.quiet_since = text, None
        if incident.told or incident.held < self._patience:
            return ""
        incident.told = True
        self._ended.discard(key)
        self._told_at.setdefault(key, []).append(now)
        return "firing"

    def _is_quiet(self, key: str, incident: _Incident, now: float) -> str:
        if incident.quiet_since is None:
            incident.quiet_since = now
        if now - incident.quiet_since < (self._end(key, now) if incident.told else self._patience):
            return ""
        del self._incidents[key]
        if incident.told:
            self._ended.add(key)
        return "resolved" if incident.told else ""

    def _end(self, key: str, now: float) -> float:
        """How long it must be gone to be over (seconds)."""
        lately = [at for at in self._told_at.get(key, ()) if now - at < AGAIN_WITHIN * self._patience]
        self._told_at[key] = lately
        return self._patience * min(2.0 ** max(0, len(lately) - 1), LONGEST_END)
