"""Retrievers and stores for LangChain, LlamaIndex and Haystack.

A retriever takes an opened `PassageIndex` or its directory. Its documents carry the id, title,
score, parts of the score, hop path and metadata of a hit. A store adds what the framework calls
documents or nodes; its directory may be empty at first. Each module raises `MissingExtra` without
its framework.
"""
