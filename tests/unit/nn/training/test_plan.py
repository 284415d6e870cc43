from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data

from graphagg.errors import InvalidDataset
from graphagg.nn import GPS, GPSConfig
from graphagg.nn.config.model import (
    AttentionConfig,
    EncodingConfig,
    FeatureConfig,
    HeadConfig,
    LocalConfig,
)
from graphagg.nn.presets import preset
from graphagg.nn.presets.simple import simple
from graphagg.nn.training import GraphData, Shape, Split, TrainingConfig, train
from graphagg.nn.training.plan import fit_config

GRAPHS = Shape("graph", 0, (21,), 0, (3,), 1)


def test_a_config_takes_the_widths_of_the_data_but_keeps_a_larger_vocabulary() -> None:
    zinc = preset("zinc").model
    assert fit_config(zinc, GRAPHS) == zinc
    more = fit_config(zinc, replace(GRAPHS, categories=(40,), outputs=7))
    assert more.nodes == FeatureConfig(vocabulary=(40,)) and more.head.shape == (7,)
    real = fit_config(zinc, Shape("graph", 5, (), 2, (), 1))
    assert (real.nodes.width, real.edges.width) == (5, 2)
    bare = fit_config(zinc, Shape("graph", 5, (), 0, (), 1))
    assert not bare.edges.used
    csl = preset("csl").model
    assert fit_config(csl, Shape("graph", 0, (1,), 0, (), 10)) == csl  # constant features stay
    with pytest.raises(InvalidDataset, match="answers for each graph, but the data have labels of"):
        fit_config(zinc, replace(GRAPHS, level="node"))
    with pytest.raises(InvalidDataset, match=r"'dot' gives one number per pair, but there are 2 c"):
        fit_config(simple("sage", "edge").model, replace(GRAPHS, level="edge", outputs=2))


@pytest.mark.parametrize("model", [preset("zinc").model, simple("sage", "edge").model])
def test_the_kind_of_answer_is_refused_before_the_metric(model: GPSConfig, tmp_path: Path) -> None:
    rows = torch.arange(30)
    data = Data(x=torch.ones(30, 1), edge_index=torch.stack([rows, rows.roll(1)]), y=rows % 3)
    with pytest.raises(InvalidDataset, match="have labels of each node; set model"):
        train(model, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def circulants() -> GraphData:
    """Cycles of 13 with chords of length 2, 3 or 5: alike for message passing, as all of CSL."""
    graphs, classes = [], (2, 3, 5)
    generator = torch.Generator().manual_seed(0)
    for number in range(30):
        at, label = torch.arange(13), number % 3
        ends = torch.cat([(at + 1) % 13, (at + classes[label]) % 13])
        names = torch.randperm(13, generator=generator)
        pairs = names[torch.stack([at.repeat(2), ends])]
        edges = torch.cat([pairs, pairs.flip(0)], dim=1)
        x = torch.zeros(13, 1, dtype=torch.int64)
        graphs.append(Data(x=x, edge_index=edges, y=torch.tensor([label])))
    ids = torch.arange(30)
    return GraphData("circulants", "graph", graphs, (Split("0", ids[:15], ids[15:21], ids[21:]),))


@pytest.mark.parametrize(("encoded", "wanted"), [(True, 1.0), (False, 1 / 3)])
def test_return_probabilities_tell_circulants_apart_and_nothing_else_does(
    tmp_path: Path, encoded: bool, wanted: float
) -> None:
    config = GPSConfig(
        nodes=FeatureConfig(constant=True),
        encodings=(EncodingConfig("rwse", 8, size=8),) if encoded else (),
        channels=16,
        layers=2,
        local=LocalConfig("gin"),
        attention=AttentionConfig("none"),
        head=HeadConfig(task="graph", kind="mlp", pooling="mean", layers=1),
    )
    training = TrainingConfig(epochs=80, batch_size=5, lr=1e-2, warmup_epochs=2, patience=30)
    result = train(config, circulants(), tmp_path, training=training)
    assert result.test.mean == pytest.approx(wanted)
    model = GPS.load(tmp_path / "split-0")
    assert model.config.head.shape == (3,) and result.parameters == model.parameter_count
