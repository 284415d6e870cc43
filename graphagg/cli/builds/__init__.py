"""Builds of indices. Each is defined once, for both its command and its Spark job."""
