"""The Spark engine: the kernels of `graphagg.embedding`, a piece or a range of nodes a task."""
