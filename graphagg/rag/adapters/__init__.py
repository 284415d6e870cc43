"""Retrievers for other frameworks, one module a framework: `langchain`, `llamaindex`, `haystack`.

Each is named `GraphAggRetriever` there, takes an opened `PassageIndex` or the directory of one, and
hands on what a hit knows: id, title, score, the parts of the score, the hop path and the passage's
metadata. Importing a module without its framework raises `MissingExtra`.
"""
