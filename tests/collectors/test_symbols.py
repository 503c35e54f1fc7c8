"""The exchange's list of contracts becomes Symbol rows, and those become what each shard collects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collectors.directory import sync_symbols, wanted_symbols
from collectors.models import Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from tests.shared_data import SHARED_DATA, needs_shared_data

pytestmark = pytest.mark.django_db


def entry(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": name,
        "pair": name,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1567965300000,
        "status": "TRADING",
        "baseAsset": name.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "filters": [{"filterType": "LOT_SIZE", "stepSize": "0.001"}, {"filterType": "PRICE_FILTER", "tickSize": "0.1"}],
        **changes,
    }


def names() -> set[str]:
    return {name for found in wanted_symbols().values() for name in found}


def test_new_contracts_are_enabled_and_carry_their_steps() -> None:
    result = sync_symbols(
        [entry("BTCUSDT"), entry("BTCUSDT_260925", contractType="CURRENT_QUARTER", deliveryDate=1790323200000)]
    )
    assert (result.added, result.skipped) == (2, 0)
    symbol = Symbol.objects.get(name="BTCUSDT")
    assert (symbol.enabled, symbol.tick_size, symbol.step_size, symbol.delivery_date) == (True, "0.1", "0.001", None)
    assert names() == {"BTCUSDT", "BTCUSDT_260925"}


def test_what_the_user_disabled_stays_disabled() -> None:
    sync_symbols([entry("BTCUSDT"), entry("ETHUSDT")])
    Symbol.objects.filter(name="ETHUSDT").update(enabled=False)
    sync_symbols([entry("BTCUSDT"), entry("ETHUSDT", status="SETTLING")])
    assert not Symbol.objects.get(name="ETHUSDT").enabled
    assert names() == {"BTCUSDT"}


def test_a_ticker_that_is_used_again_is_another_contract() -> None:
    sync_symbols([entry("ABCUSDT")])
    sync_symbols([entry("ABCUSDT", onboardDate=1700000000000)])
    assert list(Symbol.objects.filter(name="ABCUSDT").values_list("status", flat=True)) == ["TRADING", "DELISTED"]


def test_contracts_that_are_gone_are_delisted_and_never_deleted() -> None:
    sync_symbols([entry("BTCUSDT"), entry("ETHUSDT")])
    assert sync_symbols([entry("BTCUSDT")]).delisted == 1
    assert Symbol.objects.get(name="ETHUSDT").status == "DELISTED"
    assert sync_symbols([entry("BTCUSDT"), entry("ETHUSDT")]).changed == 1
    assert names() == {"BTCUSDT", "ETHUSDT"}


def test_an_empty_answer_delists_nothing() -> None:
    sync_symbols([entry("BTCUSDT")])
    assert sync_symbols([]).delisted == 0
    assert names() == {"BTCUSDT"}


def test_an_entry_that_cannot_be_read_costs_only_itself() -> None:
    assert sync_symbols([{"symbol": "BAD"}, entry("BTCUSDT"), entry("W", onboardDate="x")]).skipped == 2
    assert names() == {"BTCUSDT"}


def test_only_the_named_tickers_are_collected_when_some_are_named() -> None:
    sync_symbols([entry("BTCUSDT"), entry("ETHUSDT")])
    assert wanted_symbols(["ETHUSDT", "NOSUCH"]) == {shard_of("ETHUSDT"): frozenset({"ETHUSDT"})}


@needs_shared_data
def test_the_real_list_is_read_whole_and_its_shards_are_clickhouses(clickhouse: ClickHouse) -> None:
    entries = json.loads((SHARED_DATA / "rest" / "exchangeInfo-2026-07-03.json").read_bytes())["symbols"]
    result = sync_symbols(entries)
    assert (result.added, result.skipped) == (820, 0)
    found = dict(Symbol.objects.values_list("name", "shard"))
    assert any(not name.isascii() for name in found)
    assert any("_" in name for name in found)
    assert found == dict(clickhouse.query("shards_of", symbols=sorted(found)))
