"""Numbered schema files, applied in order, forward only; each is recorded with its SHA-256."""
