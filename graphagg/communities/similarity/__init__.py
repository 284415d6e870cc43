"""Exact similarity of the neighborhoods of vertices."""
