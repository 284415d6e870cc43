"""Graphs of up to a billion edges in one process: CPU, peak memory, bytes, and their slopes."""
