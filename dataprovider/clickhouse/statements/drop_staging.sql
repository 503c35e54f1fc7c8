-- Parameters: table. An empty one of a move that is over: the next is made like the table of today.
DROP TABLE IF EXISTS {table:Identifier} SYNC
