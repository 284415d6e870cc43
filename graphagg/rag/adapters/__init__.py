"""Retrievers and stores for other frameworks: `langchain`, `llamaindex`, `haystack`.

A retriever is named `GraphAggRetriever`, takes an opened `PassageIndex` or its directory, and hands
on what a hit knows: id, title, score, the parts of the score, the hop path and the passage's
metadata. A store (`GraphAggVectorStore`, `GraphAggStore`, `GraphAggDocumentStore`) takes what the
framework calls documents or nodes, and its directory may hold no index yet. Importing a module
without its framework raises `MissingExtra`.
"""
