"""The admin pages, as an administrator uses them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from collectors.directory import sync_symbols, wanted_symbols
from collectors.gaps import open_gaps
from collectors.leases import Leases
from collectors.messages import GapFound
from collectors.models import Symbol
from tests.collectors.test_symbols import entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def _rows() -> None:
    sync_symbols([entry("BTCUSDT"), entry("ETHUSDT"), entry("币安人生USDT")])
    open_gaps([GapFound("ETHUSDT", 10, 19, "reconnect")])
    leases = Leases("host:1:7-abc")
    leases.join(workers=2)
    leases.acquire(16)


@pytest.mark.usefixtures("_rows")
def test_the_selected_symbols_are_switched_off_and_on(admin_client: Client) -> None:
    url = reverse("admin:collectors_symbol_changelist")
    chosen = list(Symbol.objects.exclude(name="ETHUSDT").values_list("pk", flat=True))
    page = admin_client.post(url, {"action": "disable", "_selected_action": chosen})
    assert "Nothing of them is collected from the next second on" in page.text
    assert sum(map(len, wanted_symbols().values())) == 3
    sure = {"_selected_action": chosen, "answered": "yes"}
    page = admin_client.post(url, {"action": "disable", **sure}, follow=True)
    assert "2 symbols are no longer collected" in page.text
    assert {name for names in wanted_symbols().values() for name in names} == {"ETHUSDT"}
    page = admin_client.post(
        f"{url}?collection=paused", {"action": "enable", "select_across": "1", **sure}, follow=True
    )
    assert "2 symbols are collected" in page.text
    assert sum(map(len, wanted_symbols().values())) == 3


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("symbol", "币安人生USDT"),
        ("shardlease", "host:1:7-abc"),
        ("collectorhost", "host"),
        ("gap", "a connection was lost"),
    ],
)
def test_every_list_is_shown(admin_client: Client, model: str, shown: str) -> None:
    page = admin_client.get(reverse(f"admin:collectors_{model}_changelist"))
    assert page.status_code == 200
    assert shown in page.text


@pytest.mark.usefixtures("_rows")
def test_a_symbol_with_open_gaps_leads_to_them(admin_client: Client) -> None:
    eth = Symbol.objects.get(name="ETHUSDT")
    page = admin_client.get(reverse("admin:collectors_symbol_changelist"))
    url = f"{reverse('admin:collectors_gap_changelist')}?symbol__id__exact={eth.pk}&age=unfinished"
    assert url.replace("&", "&amp;") in page.text
    gaps = admin_client.get(url)
    assert "Gaps of ETHUSDT" in gaps.text
    assert "1 gap" in gaps.text


@pytest.mark.usefixtures("_rows")
def test_what_the_program_keeps_cannot_be_edited_or_deleted(admin_client: Client) -> None:
    for model in ("shardlease", "collectorhost", "gap", "symbol"):
        assert admin_client.get(reverse(f"admin:collectors_{model}_add")).status_code == 403
    eth = Symbol.objects.get(name="ETHUSDT")
    assert admin_client.post(reverse("admin:collectors_symbol_delete", args=[eth.pk])).status_code == 403
    admin_client.post(reverse("admin:collectors_symbol_change", args=[eth.pk]), {"name": "XUSDT", "enabled": ""})
    eth.refresh_from_db()
    assert (eth.name, eth.enabled) == ("ETHUSDT", False)


@pytest.mark.usefixtures("_rows")
def test_the_list_of_eight_hundred_symbols_needs_few_queries(
    admin_client: Client, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    sync_symbols([entry(f"S{number}USDT") for number in range(800)])
    with django_assert_max_num_queries(15):  # type: ignore[operator]
        page = admin_client.get(reverse("admin:collectors_symbol_changelist"))
    assert page.status_code == 200
    assert "0 of 100 selected" in page.content.decode()


def test_nobody_gets_in_without_a_login(client: Client) -> None:
    assert client.get(reverse("admin:collectors_symbol_changelist")).status_code == 302
