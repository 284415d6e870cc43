"""Builds of indices: one description each, for a command, a Spark job and a recipe alike."""
