"""Reads edges from files and Python objects: text, CSV, Parquet, networkx."""
