"""How fast it is, each figure beside the original's way of doing the same work: `python -m tests.bench`."""
