"""Sources of a preset: its data, and the figures published for it.

Data are names that `graphagg.nn.training.load_data` takes: PyTorch Geometric and OGB fetch them
into a folder, by default `data`, where there is a network. Figures are quoted, not measured here:
for GraphGPS from its paper (arXiv 2205.12454) and, for PCQM4Mv2, from its repository; for the
long-range sets from the benchmark's repository. Each is the test part's, but for PCQM4Mv2, whose
test labels are not public.
"""

from __future__ import annotations

from dataclasses import dataclass

_OF = {
    "chameleon": "pyg:Chameleon",
    "cifar10": "pyg:CIFAR10",
    "cluster": "pyg:CLUSTER",
    "coco-sp": "pyg:COCO-SP",
    "cora": "pyg:Cora",
    "csl": "pyg:CSL",
    "enzymes": "pyg:ENZYMES",
    "malnet-tiny": "pyg:MalNetTiny",
    "mnist": "pyg:MNIST",
    "mutag": "pyg:MUTAG",
    "ogbg-molhiv": "ogb:ogbg-molhiv",
    "ogbg-molpcba": "ogb:ogbg-molpcba",
    "ogbg-ppa": "ogb:ogbg-ppa",
    "pascalvoc-sp": "pyg:PascalVOC-SP",
    "pattern": "pyg:PATTERN",
    "pcqm-contact": "pyg:PCQM-Contact",
    "peptides-func": "pyg:Peptides-func",
    "peptides-struct": "pyg:Peptides-struct",
    "texas": "pyg:Texas",
    "zinc": "pyg:ZINC",
    "zinc-small": "pyg:ZINC",
}


def source_of(preset: str) -> str | None:
    """Name the data of a preset, such as `pyg:ZINC`; None where they must be given as a file."""
    return _OF.get(preset.removeprefix("gnn-plus-"))


@dataclass(frozen=True)
class Published:
    """A figure and where it stands.

    Attributes:
        metric: what was measured, and in which unit.
        value: mean and deviation as published.
        source: the paper or repository.
    """

    metric: str
    value: str
    source: str


_GPS = "GraphGPS, arXiv 2205.12454"
_REPOSITORY = "the repository of GraphGPS"
_LRGB = "the repository of LRGB, arXiv 2206.08164"
PUBLISHED: dict[str, Published] = {
    "zinc": Published("MAE", "0.070 ± 0.004", _GPS),
    "mnist": Published("accuracy, %", "98.051 ± 0.126", _GPS),
    "cifar10": Published("accuracy, %", "72.298 ± 0.356", _GPS),
    "pattern": Published("weighted accuracy, %", "86.685 ± 0.059", _GPS),
    "cluster": Published("weighted accuracy, %", "78.016 ± 0.180", _GPS),
    "malnet-tiny": Published("accuracy, %", "92.64 ± 0.78", _GPS),
    "ogbg-molhiv": Published("ROC-AUC, %", "78.80 ± 1.01", _GPS),
    "ogbg-molpcba": Published("average precision, %", "29.07 ± 0.28", _GPS),
    "ogbg-ppa": Published("accuracy, %", "80.15 ± 0.33", _GPS),
    "ogbg-code2": Published("F1, %", "18.94 ± 0.24", _GPS),
    "pcqm4mv2-small": Published("MAE, validation", "0.0937", _REPOSITORY),
    "pcqm4mv2-medium": Published("MAE, validation", "0.0858", _REPOSITORY),
    "pcqm4mv2-deep": Published("MAE, validation", "0.0852", _REPOSITORY),
    "peptides-func": Published("average precision, %", "65.35", _LRGB),
    "peptides-struct": Published("MAE", "0.2500", _LRGB),
    "pascalvoc-sp": Published("F1, %", "37.48", _LRGB),
    "coco-sp": Published("F1, %", "34.12", _LRGB),
    "pcqm-contact": Published("MRR, %", "33.37", _LRGB),
}
