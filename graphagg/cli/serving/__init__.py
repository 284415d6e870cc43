"""Commands that serve indices: over HTTP, and as tools of language models."""
