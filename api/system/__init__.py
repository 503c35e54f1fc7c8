"""The system as a whole: figures, versions, the synchroniser and the exchange's weight."""

from api.system.routes import router
from api.system.websockets import router as websocket_router

__all__ = ["router", "websocket_router"]
