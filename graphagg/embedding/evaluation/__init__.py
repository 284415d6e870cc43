"""Measures embeddings: link prediction, node classification, controls."""
