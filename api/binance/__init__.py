"""The REST face that clients made for Binance's USDⓈ-M futures expect, at /fapi/v1/."""
