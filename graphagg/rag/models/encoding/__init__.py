"""How texts become vectors: windows of tokens, inference, and sentences out of their passage."""
