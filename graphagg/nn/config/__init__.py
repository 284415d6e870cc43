"""Settings of models and of their training."""
