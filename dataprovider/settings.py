"""Django's settings, made from the checked configuration in `dataprovider.config`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
import django_stubs_ext
from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured

from dataprovider.config import Config, load_config
from dataprovider.logs import LogSettings
from dataprovider.secrets import secret_key

# ModelAdmin[Symbol] and the like, which the type checker needs, at run time too.
django_stubs_ext.monkeypatch()


def _folder_of(package: str) -> str:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImproperlyConfigured(f"The package {package} is not installed: run `make install`.")
    return spec.submodule_search_locations[0]


BASE_DIR = Path(__file__).resolve().parent.parent
CONFIG: Config = load_config()

SECRET_KEY = CONFIG.secret_key or secret_key(CONFIG.dataprovider_home)
DEBUG = False
ALLOWED_HOSTS = list(CONFIG.allowed_hosts)
# Behind a proxy with TLS our own pages are of an https origin, while their requests arrive here without it.
CSRF_TRUSTED_ORIGINS = [f"https://{'*' if host[0] == '.' else ''}{host}" for host in ALLOWED_HOSTS if host != "*"]
ROOT_URLCONF = "dataprovider.urls"
ASGI_APPLICATION = "dataprovider.asgi.application"

INSTALLED_APPS = [
    # The admin, with its landing page.
    "integrity.adminsite.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    # Its app brings the files of the API's docs page, which would otherwise come from another site.
    "ninja",
    "dataprovider",
    "collectors",
    "integrity",
    "api",
]

MIDDLEWARE = [
    "api.security.addresses.allowed_addresses",
    # Before the keys: what is refused must be readable for the page that asked.
    "corsheaders.middleware.CorsMiddleware",
    "api.security.guard.keys_and_limits",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "api.pages.without_postgres",
]

CORS_ALLOWED_ORIGINS = list(CONFIG.cors_allowed_origins)
CORS_ALLOW_HEADERS = [*default_headers, "x-api-key", "x-mbx-apikey"]
CORS_EXPOSE_HEADERS = ["Link", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"]
CORS_URLS_REGEX = r"^/(api|fapi|udf)/"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

#: Without DATABASE_URL and without a running embedded stack this names a server that is not there; commands that need
#: it say so in one sentence (dataprovider.problems).
_NOWHERE = "postgresql://dataprovider@127.0.0.1:1/dataprovider"
DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(CONFIG.database_url or _NOWHERE, conn_max_age=60, conn_health_checks=True)
}
#: A host that is gone, or behind a cable that is out, says nothing: without these a connection waits for it for a
#: quarter of an hour, or for two hours. Seconds, but for the last (ms).
_SILENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
DATABASES["default"]["OPTIONS"] = {**_SILENCE, **DATABASES["default"].get("OPTIONS", {})}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = CONFIG.redis_url or "redis://127.0.0.1:1/0"
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}},
}

# smtp://, smtps:// (TLS from the first byte) or smtp+tls:// (STARTTLS), with user and password inside.
_MAIL = urlsplit(CONFIG.email_url or "smtp://localhost")
EMAIL_HOST = _MAIL.hostname or "localhost"
EMAIL_PORT = _MAIL.port or {"smtps": 465, "smtp+tls": 587}.get(_MAIL.scheme, 25)
EMAIL_HOST_USER = unquote(_MAIL.username or "")
EMAIL_HOST_PASSWORD = unquote(_MAIL.password or "")
EMAIL_USE_SSL = _MAIL.scheme == "smtps"
EMAIL_USE_TLS = _MAIL.scheme == "smtp+tls"
EMAIL_TIMEOUT = 10

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
# Django's own for English win over DATE_FORMAT and the like.
FORMAT_MODULE_PATH = "dataprovider.formats"
USE_TZ = True
STATIC_URL = "/static/"
# The chart library (TradingView's Lightweight Charts) out of its package, which is not imported for that.
STATICFILES_DIRS = [("lightweight-charts", Path(_folder_of("lightweight_charts")) / "js")]
# Static files are served from where the packages have them: nothing to collect before a start.
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_USE_MANIFEST = False

LOGGING_CONFIG = "dataprovider.logs.configure"
LOGGING: dict[str, Any] = {"settings": LogSettings.from_config(CONFIG)}
