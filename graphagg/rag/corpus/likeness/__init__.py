"""Passages like a passage and entities like an entity, by text vectors or by the graph."""
