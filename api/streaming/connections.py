"""The open connections of this process, by address."""

from __future__ import annotations

from collections import Counter


class Connections:
    """Counts connections by address."""

    def __init__(self, most_per_address: int) -> None:
        self.most_per_address = most_per_address
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._by_address.total()

    @property
    def by_address(self) -> dict[str, int]:
        """How many each address has; those without any are left out."""
        return dict(self._by_address)

    def open(self, address: str) -> bool:
        """Count one more; False, and not counted, when the address has as many as it may."""
        if self._by_address[address] >= self.most_per_address:
            return False
        self._by_address[address] += 1
        return True

    def close(self, address: str) -> None:
        """One less."""
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]
