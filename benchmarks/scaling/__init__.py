"""Scaling of the Spark jobs with the size of their input, on a standalone cluster."""
