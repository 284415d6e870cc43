"""The mode `linearrag`: LinearRAG as the paper describes it."""
