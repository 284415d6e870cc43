"""Builds of indices: one description each, for a command and a Spark job."""
