"""Static encoder: looks up token vectors in a table instead of running a model."""
