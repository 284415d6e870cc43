"""Graphs that are larger than memory: read, numbered and made compressed rows over files."""
