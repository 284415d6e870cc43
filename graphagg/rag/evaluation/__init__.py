"""Evaluate retrieval: gold questions and drafts of them, metrics, and a gate for CI."""
