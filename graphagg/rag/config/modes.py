"""The names of the retrieval modes, and the classes of their settings.

Mode `linearrag` is LinearRAG, arXiv 2510.10114, as implemented by its official code; the defaults
are those of that code (DEEP-PolyU/LinearRAG, `config.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from graphagg.checks import integer, number
from graphagg.rag.config.multihop import MultihopConfig

Mode = Literal["multihop", "linearrag", "rrf", "dense", "bm25"]
MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_MODE: Mode = "multihop"
PASSAGE_NODE_WEIGHT = 0.05
"""W_p of eq. 7: weight of the passage prior relative to the weights of the entities."""


@dataclass(frozen=True)
class LinearRAGConfig:
    """Settings of `mode="linearrag"`, in the paper's symbols.

    Attributes:
        max_iterations: T; entities are activated in T - 1 rounds, as in the official code.
        threshold: delta, the minimum activation that spreads.
        passage_ratio: lambda, the weight of the dense similarity in the passage prior.
        top_k_sentence: number of sentences that an entity spreads through per round.
        damping: d of the personalized PageRank; 1 - d is the teleport probability.

    Examples:
        >>> LinearRAGConfig(threshold=0.4).damping
        0.5
    """

    max_iterations: int = 3
    threshold: float = 0.5
    passage_ratio: float = 1.5
    top_k_sentence: int = 1
    damping: float = 0.5

    def __post_init__(self) -> None:
        integer("max_iterations", self.max_iterations, 1)
        integer("top_k_sentence", self.top_k_sentence, 1)
        number("passage_ratio", self.passage_ratio, least=0)
        number("threshold", self.threshold, above=0, below=1)
        number("damping", self.damping, above=0, below=1)


Config = MultihopConfig | LinearRAGConfig
