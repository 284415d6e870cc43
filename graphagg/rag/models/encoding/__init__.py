"""Text encoding: windows of tokens, inference, and sentence pooling."""
