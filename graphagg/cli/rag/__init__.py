"""Commands of `graphagg rag`."""
