-- Parameters: table. What arrives from another node, or has left for one: not read by anybody but the move.
CREATE TABLE IF NOT EXISTS {table:Identifier} AS trades_local
