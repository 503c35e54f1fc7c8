"""The streams that clients made for Binance's USDⓈ-M futures expect: /market/stream, /market/ws and the like."""
