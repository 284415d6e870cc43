"""Several indices that answer as one, without a join of their files."""
