"""graphagg: graph processing and retrieval at linear cost.

Import the capability you need: `from graphagg.rag import PassageIndex`. Importing `graphagg`
itself loads no numerical library.
"""

__version__ = "0.4.0"

__all__ = ["__version__"]
