"""From texts to vectors: windows of tokens, inference, and pooling of sentences."""
