"""Speeds of the hot paths: `python -m tests.bench`. A claim of speed is a ratio of two figures of one run."""
