"""The admin page of API keys: made there, shown once, revoked there."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from api.models import ApiKey
from api.security.keys import make_key
from collectors.admin import Operated, confirmed


@admin.register(ApiKey)
class ApiKeyAdmin(Operated):
    list_display = ("name", "scope", "prefix", "valid", "created_at", "last_used_at", "revoked_at")
    list_filter = ("scope",)
    search_fields = ("name", "prefix")
    fields = ("name", "scope")
    actions: Any = ("revoke",)
    operated_by = "an administrator"

    @admin.display(boolean=True, description="valid")
    def valid(self, key: ApiKey) -> bool:
        return key.revoked_at is None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("api.change_apikey"))

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ModelForm[ApiKey], change: bool) -> None:
        made, token = make_key(obj.name, obj.scope)
        obj.pk, obj.prefix, obj.hash, obj.created_at = made.pk, made.prefix, made.hash, made.created_at
        request.new_token = token  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        # On the page itself, not in a message: messages are kept in a cookie.
        context = {
            **self.admin_site.each_context(request),
            "title": "A new API key",
            "opts": ApiKey._meta,
            "key": obj,
            "token": request.new_token,  # type: ignore[attr-defined]
        }
        response = TemplateResponse(request, "admin/api/new_key.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Revoke …", permissions=["revoke"])
    @confirmed(
        title="Revoke", button="Revoke these keys", explanation="They are refused everywhere within seconds, for good."
    )
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        keys = list(queryset.filter(revoked_at=None))
        done = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.remember(request, keys, "Revoked.")
        text = f"{done} {'key is' if done == 1 else 'keys are'} revoked, everywhere within seconds."
        self.message_user(request, text, messages.SUCCESS)
