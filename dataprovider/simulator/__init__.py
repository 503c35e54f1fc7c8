"""A Binance look-alike on one port: REST, streams, archives, limits, and faults on demand.

For demos, tests and offline use: the only stand-in in this project, and only for Binance. Its market is made up
(seeded, a pure function of time) or replays archive files. `manage.py runexchange` starts it.
"""

from dataprovider.simulator.errors import SimulatorError

__all__ = ["SimulatorError"]
