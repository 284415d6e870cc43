"""Names and sentences by rule, without a model."""
