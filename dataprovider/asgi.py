"""The web process: HTTP through Django; WebSocket through Channels once there is something to stream."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

from api.pacing import paced

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataprovider.settings")

application = ProtocolTypeRouter({"http": paced(get_asgi_application())})
