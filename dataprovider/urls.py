"""Every address the web process answers."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView, TemplateView

from api.binance.views import urls as binance_urls
from api.metrics.views import metrics
from api.rest import urls as rest_urls
from api.udf.views import urls as udf_urls

handler400 = "api.failures.bad_request"
handler404 = "api.failures.not_found"
handler500 = "api.failures.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", TemplateView.as_view(template_name="index.html"), name="index"),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}dashboard/icon.svg")),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
if settings.CONFIG.enable_rest_api:
    urlpatterns.append(path("api/v1/", include((rest_urls(), "ninja"), namespace="api-v1")))
    urlpatterns.append(path("fapi/", include(binance_urls())))
    urlpatterns.append(path("udf/", include(udf_urls())))
