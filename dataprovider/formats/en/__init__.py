"""For English, the only language."""
