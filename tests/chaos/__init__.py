"""`make chaos`: breaking things on purpose, in a simulated world (--seeds) or in the real one."""
