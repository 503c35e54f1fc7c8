"""The web process: HTTP through Django, WebSocket through Channels' router."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

from api.access import logged
from api.pacing import paced
from dataprovider.logs import LogSettings, begin
from dataprovider.problems import one_sentence

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataprovider.settings")


def _protocols() -> dict[str, Any]:
    protocols: dict[str, Any] = {"http": paced(logged(get_asgi_application()))}
    # What Django's models need is there only from here on.
    from django.conf import settings

    from api.intake import bound
    from api.routing import websocket

    begin("web", LogSettings.from_config(settings.CONFIG))
    bound()
    protocols["websocket"] = websocket(settings.CONFIG)
    return protocols


try:
    application = ProtocolTypeRouter(_protocols())
except Exception as error:
    sentence = one_sentence(error)
    if sentence is None:
        raise
    # Whoever starts daphne gets what `manage.py` says.
    sys.exit(sentence)
# What was imported stays: looking through it for garbage would hold up every client for tens of milliseconds.
gc.collect()
gc.freeze()
