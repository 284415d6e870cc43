"""Static encoder: a table of token vectors in place of a model, and the making of tables."""
