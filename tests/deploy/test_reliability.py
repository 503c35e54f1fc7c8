"""What docs/RELIABILITY.md says in figures and names is what the code has."""

from __future__ import annotations

import re

import pytest

from collectors.binance.rest import PAGE
from collectors.binance.weight import _CEILINGS, DEFAULT_LIMIT, Priority
from collectors.leases import LEASE_SECONDS
from collectors.quiet import QUIET_SECONDS
from collectors.spool import _COLUMNS
from collectors.streampool import SILENCE
from collectors.supervisor import STALLED_SECONDS
from collectors.writer import SPILL_AFTER_SECONDS
from dataprovider.config import Config
from tests.campaign.candles import TIMEFRAMES
from tests.campaign.faults import EXCHANGE, PROCESSES
from tests.campaign.options import SPOOLED_BYTES, Options
from tests.campaign.run import SETTLES_WITHIN
from tests.deploy.reading import ROOT

PAGE_TEXT = (ROOT / "docs" / "RELIABILITY.md").read_text()


def defaults(name: str) -> int:
    return int(Config.model_fields[name].default)


def test_the_outage_budget_is_that_of_the_defaults() -> None:
    a_trade = sum(dtype.itemsize for _, dtype in _COLUMNS)
    assert a_trade == SPOOLED_BYTES
    trades = defaults("spool_max_bytes") / a_trade + defaults("collector_workers") * defaults("buffer_max_rows")
    per_minute = DEFAULT_LIMIT * _CEILINGS[Priority.GAP] // 1000 // 20 * PAGE
    for said in (
        f"`SPOOL_MAX_BYTES` ({defaults('spool_max_bytes'):,})",
        f"`BUFFER_MAX_ROWS` ({defaults('buffer_max_rows'):,} a worker)",
        f"After {SPILL_AFTER_SECONDS:g} s batches wait on disk, {a_trade} bytes a trade",
        f"{trades / 1e6:.1f} million trades: {trades / 580 / 3600:.0f} hours at 580 a second",
        f"{trades / 20_000 / 60:.0f} minutes at 20,000",
        f"{defaults('binance_rest_lookback_hours')} hours by REST",
        f"about {per_minute:,} trades a minute",
        f"after {STALLED_SECONDS:g} s when it hangs",
        f"Another host takes over after {LEASE_SECONDS} s",
        f"of a connection after {SILENCE:g} s, of a busy symbol after {QUIET_SECONDS:g} s",
    ):
        assert said in PAGE_TEXT, said


def test_the_campaign_is_the_one_described() -> None:
    options = Options()
    for said in (
        f"{options.symbols} contracts, {options.rate:,} trades a second",
        f"every candle of {len(TIMEFRAMES)} timeframes",
        f"within {SETTLES_WITHIN:g} s nothing may be missing",
    ):
        assert said in PAGE_TEXT, said
    named = {kind.name for kind in (*PROCESSES, *EXCHANGE)}
    assert set(re.findall(r'--only "([^"]+)"', PAGE_TEXT)) <= named


@pytest.mark.parametrize("file", sorted(set(re.findall(r"tests/[\w/]+(?:\.py)?", PAGE_TEXT))))
def test_every_check_that_is_named_is_there(file: str) -> None:
    assert (ROOT / file).exists()


def test_each_promise_has_a_check_and_was_broken_once() -> None:
    promised, _, broken = PAGE_TEXT.partition("## Broken on purpose")
    rows = re.findall(r"^\| (P\d+) \| .+ \| (.+) \|$", promised, re.MULTILINE)
    assert [name for name, _ in rows] == [f"P{number}" for number in range(1, 15)]
    assert {name for name, _ in rows} == set(re.findall(r"^\| (P\d+) \| .+ \| .+ \|$", broken, re.MULTILINE))
