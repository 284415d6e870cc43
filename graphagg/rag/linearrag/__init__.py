"""The mode `faithful`: LinearRAG as the paper describes it."""
