"""Who may change something: a key that may control, or somebody who is logged in to the admin and may do it there."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.security import APIKeyCookie, APIKeyHeader
from ninja.utils import check_csrf

from api.failures import Refused

#: What a person needs to be allowed in the admin.
PERMISSION = "collectors.change_symbol"


class ControlKey(APIKeyHeader):
    """A valid key with scope=control. The guard has looked at it already; it may also come as a bearer token."""

    param_name = "X-API-Key"
    openapi_description = "An API key with scope=control."

    def authenticate(self, request: HttpRequest, key: str | None) -> str | None:
        caller = request.decision.caller  # type: ignore[attr-defined]
        if caller is None:
            return None
        if not caller.may_control:
            raise Refused(403, "READ_ONLY_KEY", "This key may only read: a key with scope=control is needed.")
        return f"key {caller.pk}"


class StaffSession(APIKeyCookie):
    """The session of somebody who may change symbols in the admin, with the CSRF token as X-CSRFToken."""

    param_name = "sessionid"
    openapi_description = "A session of the admin, with the cookie csrftoken repeated as X-CSRFToken."

    def _get_key(self, request: HttpRequest) -> str | None:
        return request.COOKIES.get(self.param_name)

    async def authenticate(self, request: HttpRequest, key: str | None) -> str | None:
        if not key:
            return None
        user: Any = await request.auser()
        if not user.is_authenticated:
            return None
        if not (user.is_staff and await user.ahas_perm(PERMISSION)):
            raise Refused(403, "FORBIDDEN", "Your user may not change symbols.")
        # A page of another site can have a browser send the cookie, and cannot know the token.
        if check_csrf(request) is not None:
            raise Refused(
                403,
                "CSRF_FAILED",
                "The CSRF token is missing or wrong: send the cookie csrftoken's value as X-CSRFToken.",
            )
        return f"user {user.pk}"


#: The `auth` of every operation that changes something.
CONTROL: list[Any] = [ControlKey(), StaffSession()]
