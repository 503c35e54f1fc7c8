"""Faults on the real thing: the demo stack under fire, an independent check of what came of it, and a soak.

`make chaos` starts it (tests/chaos). Nothing here uses the project's own continuity, integrity or candle code: what is
stored and served is compared with what the exchange itself says it sent.
"""
