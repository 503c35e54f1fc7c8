"""The two groups: who may only look sees no action and is refused every one; who operates does the work and no more."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client

from api.models import ApiKey
from collectors.models import Gap, GapStatus, Symbol
from integrity.models import JobStatus, RecoveryJob
from integrity.roles import OPERATORS, VIEWERS, make_roles
from tests.integrity.rows import make_job, make_symbol

pytestmark = pytest.mark.django_db

LISTS = {
    "collectors/symbol": ("enable", "disable", "backfill", "verify_now"),
    "collectors/gap": ("recover_now", "accept_as_absent"),
    "integrity/recoveryjob": ("retry", "cancel", "sooner", "later"),
}
LOOKED_AT = (
    "collectors/shardlease",
    "collectors/streamboundary",
    "collectors/collectorhost",
    "integrity/monthcheck",
    "integrity/incident",
)
SURE = {
    "answered": "1",
    "reason": "I say so",
    "shown_at": "9e9",
    "first": "2024-01-01",
    "last": "2024-01-02",
    "source": "auto",
}


def member(group: str) -> Client:
    user = get_user_model().objects.create_user(group, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def first(page: str) -> int:
    """The only row of a list."""
    rows = {"collectors/symbol": Symbol, "collectors/gap": Gap, "integrity/recoveryjob": RecoveryJob}
    return int(rows[page]._default_manager.get().pk)


def state() -> tuple[bool, str, str, int, int]:
    job = RecoveryJob.objects.get()
    return Symbol.objects.get().enabled, Gap.objects.get().status, job.status, job.priority, job.events.count()


def test_a_viewer_looks_at_everything_and_changes_nothing() -> None:
    job = make_job(make_symbol())
    viewer, before = member(VIEWERS), state()
    for page, actions in LISTS.items():
        row = first(page)
        assert 'name="action"' not in viewer.get(f"/admin/{page}/").content.decode()
        for action in actions:
            answer = viewer.post(f"/admin/{page}/", {"action": action, "_selected_action": [row], **SURE})
            assert answer.status_code == 403, action
            assert "operators" in answer.content.decode()
        detail = viewer.get(f"/admin/{page}/{row}/change/")
        assert detail.status_code == 200
        assert "_save" not in detail.content.decode()
    for page in LOOKED_AT:
        assert viewer.get(f"/admin/{page}/").status_code == 200
    symbol = job.symbol_id
    assert viewer.post(f"/admin/collectors/symbol/{symbol}/change/", {"enabled": ""}).status_code == 403
    assert state() == before
    assert "Symbols" in viewer.get("/admin/").content.decode()


def test_an_operator_does_the_work_and_edits_nothing_that_a_state_machine_rules() -> None:
    job = make_job(make_symbol())
    operator = member(OPERATORS)
    for page, actions in LISTS.items():
        text = operator.get(f"/admin/{page}/").content.decode()
        assert [f'value="{action}"' in text for action in actions] == [True] * len(actions)
    operator.post("/admin/collectors/symbol/", {"action": "disable", "_selected_action": [job.symbol_id], **SURE})
    operator.post("/admin/integrity/recoveryjob/", {"action": "cancel", "_selected_action": [job.pk], **SURE})
    gap = Gap.objects.get()
    operator.post(f"/admin/collectors/gap/{gap.pk}/change/", {"status": GapStatus.RECOVERED})
    operator.post(f"/admin/integrity/recoveryjob/{job.pk}/change/", {"status": JobStatus.DONE, "priority": "7"})
    operator.post(f"/admin/collectors/symbol/{job.symbol_id}/change/", {"status": "DELISTED", "name": "X"})
    assert state()[:4] == (False, GapStatus.OPEN, JobStatus.CANCELLED, 100)
    assert (Symbol.objects.get().name, Symbol.objects.get().status) == ("BTCUSDT", "TRADING")
    operator.post("/admin/collectors/gap/", {"action": "accept_as_absent", "_selected_action": [gap.pk], **SURE})
    assert state()[1] == GapStatus.ABSENT_UPSTREAM


@pytest.mark.parametrize("group", [VIEWERS, OPERATORS])
def test_neither_manages_users_groups_or_keys(group: str) -> None:
    client = member(group)
    for page in ("auth/user", "auth/group", "api/apikey"):
        assert client.get(f"/admin/{page}/").status_code == 403
        assert client.post(f"/admin/{page}/add/", {"name": "mine", "scope": "control"}).status_code == 403
    assert not ApiKey.objects.exists()


def test_a_migration_brings_the_groups_back_to_what_they_are() -> None:
    Group.objects.get(name=VIEWERS).permissions.set(Group.objects.get(name=OPERATORS).permissions.all())
    Group.objects.get(name=OPERATORS).delete()
    make_roles()
    looking = set(Group.objects.get(name=VIEWERS).permissions.values_list("codename", flat=True))
    working = set(Group.objects.get(name=OPERATORS).permissions.values_list("codename", flat=True))
    assert {each.partition("_")[0] for each in looking} == {"view"}
    assert working - looking == {"change_symbol", "change_gap", "change_recoveryjob"}
