"""Graphs of up to a billion edges in one process: CPU, peak memory and bytes by graph size."""
