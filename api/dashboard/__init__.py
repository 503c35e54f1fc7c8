"""The page at / and what only it asks for: everything at a glance, and each symbol's months."""
