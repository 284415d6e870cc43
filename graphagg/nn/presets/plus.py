"""GNN+ (arXiv 2502.09263): no attention; edge features, norm, dropout, residual, feed-forward.

Widths, depths, encodings and training are those of the GPS preset of the same data, not the
settings tuned for that paper: what changes is the attention alone, and the order of the local
part.
"""

from __future__ import annotations

from dataclasses import replace

from graphagg.nn.config.model import OFF, AttentionConfig
from graphagg.nn.presets.official import OFFICIAL
from graphagg.nn.presets.preset import Preset
from graphagg.nn.presets.small import SMALL

_OF = (
    "zinc",
    "peptides-func",
    "peptides-struct",
    "pascalvoc-sp",
    "mnist",
    "cifar10",
    "pattern",
    "cluster",
    "malnet-tiny",
    "ogbg-molhiv",
    "ogbg-molpcba",
    "ogbg-ppa",
    "zinc-small",
)


def without_attention(preset: Preset) -> Preset:
    """The same model as GNN+ has it."""
    model = replace(
        preset.model,
        attention=AttentionConfig(OFF),
        layer=replace(preset.model.layer, order="gnn+"),
    )
    return replace(preset, model=model)


PLUS: dict[str, Preset] = {
    f"gnn-plus-{name}": without_attention({**OFFICIAL, **SMALL}[name]) for name in _OF
}
