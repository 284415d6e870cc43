"""The graph of a corpus: which passage names which entity, and which entities share sentences."""

from graphagg.rag.graph.config import GraphConfig
from graphagg.rag.graph.corpus_graph import CorpusGraph, corpus_graph

__all__ = ["CorpusGraph", "GraphConfig", "corpus_graph"]
