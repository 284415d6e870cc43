"""Near duplicates among texts: pairs, groups, and which texts to keep."""
