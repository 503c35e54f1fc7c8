"""The groups of people who work in the admin: viewers look at everything, operators do the work too.

Neither may touch users, groups or API keys. The groups are made, and brought back to this, by every `migrate`: who
wants other rights makes a group of another name.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

VIEWERS, OPERATORS = "viewers", "operators"

#: Whose rows they look at.
LOOKED_AT = ("collectors", "integrity")
#: What the actions ask for. Gaps and jobs are changed by actions alone, and of symbols only `enabled` is.
OPERATED = Q(codename__in=("change_symbol", "change_gap", "change_recoveryjob"))


def make_roles(**_signal: Any) -> None:
    """Make both groups what they are to be; raises django.db.Error."""
    of_ours = Permission.objects.filter(content_type__app_label__in=LOOKED_AT)
    looking = Q(codename__startswith="view_")
    for name, which in ((VIEWERS, looking), (OPERATORS, looking | OPERATED)):
        Group.objects.get_or_create(name=name)[0].permissions.set(of_ours.filter(which))
