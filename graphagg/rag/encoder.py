"""Moved: `Encoder` is in `graphagg.rag`."""

raise ImportError("graphagg.rag.encoder moved: from graphagg.rag import Encoder")
