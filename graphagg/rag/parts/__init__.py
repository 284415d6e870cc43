"""Several indices that are searched as one, without merging their files."""
