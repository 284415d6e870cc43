"""Reads a graph with Spark: edges from a path or DataFrame, dense ids, compressed rows."""
