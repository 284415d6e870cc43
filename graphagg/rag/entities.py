"""Moved: `EntityExtractor` is in `graphagg.rag`."""

raise ImportError("graphagg.rag.entities moved: from graphagg.rag import EntityExtractor")
