"""Encoders, entity extractors and chunkers."""
