"""Settings of index and retrieval, with the paper's and the official code's values.

Paper: LinearRAG, arXiv 2510.10114. The presets are the settings published with the official code
(DEEP-PolyU/LinearRAG): the defaults of its `config.py` and `run.py`, and its per-data-set script.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from graphagg.checks import integer, number, one_of

Semantics = Literal["official", "paper"]
SEMANTICS: tuple[Semantics, ...] = ("official", "paper")


@dataclass(frozen=True)
class LinearRAGConfig:
    """Settings of `mode="linearrag"`, in the paper's symbols.

    Attributes:
        semantics: how entities are activated and what C holds. `official`: each active entity
            spreads through its best unused sentences, weights add up, C is row-normalized
            frequency. `paper`: the MAX update of eq. 5 as a max-product, C is binary.
        max_iterations: T; `official` runs T - 1 rounds of propagation, as its code does, `paper` T.
        threshold: delta, the least activation that spreads.
        passage_ratio: lambda, the weight of the dense similarity in the passage prior.
        top_k_sentence: number of sentences that an entity spreads through per round (`official`).
        passage_node_weight: W_p, the weight of the passage prior against the entities'.
        damping: d of the personalized PageRank; 1 - d is the teleport probability.
        prior_top: number of passages that carry the prior, best dense similarity first. None: all
            up to 100,000 passages (exact), the best 1,000 above.

    Examples:
        >>> PRESETS["paper"].semantics, LinearRAGConfig().with_semantics("paper").damping
        ('paper', 0.5)
    """

    semantics: Semantics = "official"
    max_iterations: int = 3
    threshold: float = 0.5
    passage_ratio: float = 1.5
    top_k_sentence: int = 1
    passage_node_weight: float = 0.05
    damping: float = 0.5
    prior_top: int | None = None

    def __post_init__(self) -> None:
        one_of("semantics", self.semantics, SEMANTICS)
        integer("max_iterations", self.max_iterations, 1)
        integer("top_k_sentence", self.top_k_sentence, 1)
        number("passage_ratio", self.passage_ratio, least=0)
        number("passage_node_weight", self.passage_node_weight, least=0)
        number("threshold", self.threshold, above=0, below=1)
        number("damping", self.damping, above=0, below=1)
        if self.prior_top is not None:
            integer("prior_top", self.prior_top, 1)

    def with_semantics(self, semantics: Semantics) -> LinearRAGConfig:
        """Take the same settings under the other semantics."""
        return replace(self, semantics=semantics)


PRESETS: dict[str, LinearRAGConfig] = {
    "official": LinearRAGConfig(),
    "official-run": LinearRAGConfig(passage_ratio=2.0, threshold=0.4, top_k_sentence=3),
    "hotpotqa": LinearRAGConfig(passage_ratio=0.05, threshold=0.4),
    "2wikimultihopqa": LinearRAGConfig(passage_ratio=0.05, threshold=0.4),
    "musique": LinearRAGConfig(
        max_iterations=5, passage_ratio=2.0, threshold=0.1, top_k_sentence=4
    ),
    "medical": LinearRAGConfig(),
    "paper": LinearRAGConfig(semantics="paper", max_iterations=4),
}


def preset(name: str) -> LinearRAGConfig:
    """Look up a named preset; raises `InvalidParameter` with the names there are."""
    return PRESETS[one_of("preset", name, PRESETS)]
