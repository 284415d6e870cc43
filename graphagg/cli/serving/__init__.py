"""Commands that serve indices over HTTP, or as tools for language models."""
