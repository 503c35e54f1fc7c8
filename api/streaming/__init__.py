"""Live candles over WebSocket: one hub a process, fed from Valkey, settled with ClickHouse."""
