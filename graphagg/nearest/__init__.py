"""The vector format of an index, and nearest-neighbor search with FAISS."""
