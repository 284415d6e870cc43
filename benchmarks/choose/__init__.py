"""Choosing the constants of `mode="multihop"` on many sets, and checking them on others."""
