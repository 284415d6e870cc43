"""A static encoder: a table in place of a model, and the making of tables."""
