"""What an index holds: segments, vectors, mentions, names, words."""
