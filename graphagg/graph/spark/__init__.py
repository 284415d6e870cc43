"""Edges by Spark: read from any path or DataFrame, their ids numbered by a distributed sort."""
