"""Reads graphs that are larger than memory: ids and compressed rows are built in files."""
