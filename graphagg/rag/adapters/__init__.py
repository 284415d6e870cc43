"""Retrievers for LangChain and LlamaIndex.

A retriever takes an opened `PassageIndex` or its directory. Its documents carry the id, title,
score, parts of the score, hop path and metadata of a hit. Each module raises `MissingExtra` without
its framework. To add documents of a framework to an index, pass them to `PassageIndex.add` as
passages.
"""
