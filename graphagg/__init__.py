"""graphagg: graph processing and retrieval at linear cost.

Import what you need from its subpackage: `from graphagg.rag import PassageIndex`. Importing
`graphagg` itself loads no numerical library.
"""

__version__ = "0.4.0"

__all__ = ["__version__"]
