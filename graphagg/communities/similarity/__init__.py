"""Compares the neighborhoods of two vertices: exactly, by MinHash signatures, by LSH bands."""
