"""How the admin writes times: as everything else here does."""
