"""Measures retrieval: recall, comparison of modes, causes of failures."""
