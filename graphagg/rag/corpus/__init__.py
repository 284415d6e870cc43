"""A corpus as a whole: themes, its graph, similar passages and entities."""
