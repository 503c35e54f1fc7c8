"""Telling a person when something needs one: once when it begins, once when it is over, never a storm."""
