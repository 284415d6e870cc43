"""Vectors as an index stores them, and search for the nearest ones by FAISS."""
