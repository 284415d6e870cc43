"""Reads edges from files and objects: text, cells of CSV, Parquet, networkx."""
