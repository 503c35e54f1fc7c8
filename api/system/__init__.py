"""The system as a whole: figures, versions, the synchroniser and the exchange's weight."""

from api.system.routes import router

__all__ = ["router"]
