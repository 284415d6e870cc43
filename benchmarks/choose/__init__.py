"""Choosing the constants of `mode="best"` on many sets, and checking them on others."""
