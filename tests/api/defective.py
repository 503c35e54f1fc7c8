"""The web process's application with a page, a call and a face that have a defect."""

from __future__ import annotations

from typing import NoReturn

from django.http import HttpRequest
from django.urls import path

from dataprovider.asgi import application

__all__ = ["application"]

# What Django's models need is there only from here on.
from api.rest import api


def defect(request: HttpRequest) -> NoReturn:
    raise RuntimeError("the secret of a defect")


async def async_defect(request: HttpRequest) -> NoReturn:
    raise RuntimeError("the secret of a defect")


api.get("/defect", include_in_schema=False)(async_defect)

from dataprovider import urls  # noqa: E402

urls.urlpatterns += [path("defect", defect), path("async-defect", async_defect), path("api/defect", defect)]
