"""The Spark engine: the kernels of `graphagg.embedding`, one task per piece or range of nodes."""
