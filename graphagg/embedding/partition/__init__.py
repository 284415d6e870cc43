"""Cuts a matrix into balanced pieces."""
