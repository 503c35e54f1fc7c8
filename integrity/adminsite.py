"""The admin as a whole: its name, and a landing page that says what needs attention."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig as DjangosAdminConfig
from django.http import HttpRequest
from django.template.response import TemplateResponse

#: Models by use: what people come for stands first.
ROOMS = ("Symbol", "Gap", "RecoveryJob", "MonthCheck", "Incident", "StreamBoundary", "ShardLease")


class AdminSite(admin.AdminSite):
    """The admin site of this project."""

    site_header = site_title = "DataProvider"
    index_title = "What needs attention"
    # The lists are wide, and every page leads to them in its head.
    enable_nav_sidebar = False

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Django's, and what every page leads to in its head: the lists of ROOMS that this user may look at."""
        context = super().each_context(request)
        lists = {model["object_name"]: model for app in context["available_apps"] for model in app["models"]}
        return {**context, "rooms": [lists[name] for name in ROOMS if name in lists]}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The landing page; for who may not look at symbols, the list of pages alone."""
        from integrity.admin.landing import landing

        shown = landing() if request.user.has_perm("collectors.view_symbol") else {}
        return super().index(request, {**shown, **(extra_context or {})})


class AdminConfig(DjangosAdminConfig):
    """Django's admin app with this site."""

    default_site = "integrity.adminsite.AdminSite"
