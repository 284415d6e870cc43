"""Where the data of a preset come from: names that `graphagg.nn.training.load_data` takes.

PyTorch Geometric and OGB fetch them into a folder, by default `data`, where there is a network.
"""

from __future__ import annotations

_OF = {
    "actor": "pyg:Actor",
    "chameleon": "pyg:Chameleon",
    "cifar10": "pyg:CIFAR10",
    "citeseer": "pyg:CiteSeer",
    "cluster": "pyg:CLUSTER",
    "coco-sp": "pyg:COCO-SP",
    "cora": "pyg:Cora",
    "cornell": "pyg:Cornell",
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
    "proteins": "pyg:PROTEINS",
    "squirrel": "pyg:Squirrel",
    "texas": "pyg:Texas",
    "wisconsin": "pyg:Wisconsin",
    "zinc": "pyg:ZINC",
    "zinc-small": "pyg:ZINC",
}


def source_of(preset: str) -> str | None:
    """The data of a preset, such as `pyg:ZINC`; None where they must be given as a file."""
    return _OF.get(preset.removeprefix("gnn-plus-"))
