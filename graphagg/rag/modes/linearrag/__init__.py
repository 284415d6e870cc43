"""The mode `linearrag`: LinearRAG as described in the paper."""
