"""Measures embeddings: link prediction, node classification, controls.

The modules load when one of these names is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphagg.embedding.evaluation.labels import Labels, read_labels
    from graphagg.embedding.evaluation.measure import Scores, classify_nodes, predict_links

__all__ = ["Labels", "Scores", "classify_nodes", "predict_links", "read_labels"]

_HOME = {"Labels": "labels", "read_labels": "labels"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME.get(name, 'measure')}"), name)
