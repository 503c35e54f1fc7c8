"""Who may call, how often, and what for: addresses, API keys, rate limits, the same for HTTP and WebSocket."""
