"""Spark engine: runs the kernels of `graphagg.embedding`, a task per piece or range of nodes."""
