"""Proof: what of each symbol is stored, whole and once; certificates; verify."""
