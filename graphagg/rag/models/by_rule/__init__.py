"""Rule-based extraction of names and sentences, without a model."""
