"""Encoders: batch invariance, signs and small graphs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import AddRandomWalkPE

from graphagg.errors import InvalidFeatures
from graphagg.nn import EncodingConfig
from graphagg.nn.encodings import LapPE, LinearEncoder, VertexEncoder
from graphagg.nn.model.encoding import ENCODINGS, build_encoder
from tests.unit.nn.conv.test_formulas import randomized
from tests.unit.nn.encodings.graphs import graphs, random_graph

K = 4


def walks(steps: int) -> AddRandomWalkPE:
    return AddRandomWalkPE(steps, "rwse")


def encoded(data: Data) -> Data:
    for transform in (LapPE(K), walks(20)):
        data = transform(data)
    return data


def make(name: str) -> VertexEncoder:
    return build_encoder(EncodingConfig(name, 8, K if name.startswith("lappe") else 20))


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_graph_alone_is_encoded_as_in_any_batch(name: str) -> None:
    module = randomized(make(name))

    @settings(max_examples=10, deadline=None)
    @given(st.lists(graphs(), min_size=1, max_size=4))
    def check(many: list[Data]) -> None:
        many = [encoded(data) for data in many]
        alone = [module(data) for data in many]
        together = module(Batch.from_data_list(many))
        assert together.shape == (sum(d.num_nodes for d in many), 8)
        assert torch.allclose(together, torch.cat(alone), rtol=0, atol=1e-9)
        parameters = list(module.parameters())
        wanted = torch.autograd.grad(
            sum(out.sin().sum() for out in alone), parameters, materialize_grads=True
        )
        found = torch.autograd.grad(together.sin().sum(), parameters, materialize_grads=True)
        for one, other in zip(wanted, found, strict=True):
            assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)

    check()


def test_columns_that_a_small_graph_lacks_are_not_read() -> None:
    module = randomized(make("lappe-deepset"))
    data = encoded(random_graph(3, 6, 0))
    assert 0 < data.lap_mask[0].sum() < K
    garbage = data.clone()
    garbage.lap_vectors = torch.where(data.lap_mask, data.lap_vectors, 7.0)
    garbage.lap_values = torch.where(data.lap_mask, data.lap_values, -3.0)
    assert torch.allclose(module(garbage), module(data), rtol=0, atol=1e-9)


def test_signs_are_drawn_in_training_only() -> None:
    module = make("lappe-deepset").double()
    data = encoded(random_graph(9, 16, 1))
    torch.manual_seed(0)
    module.train()
    drawn = [module(data) for _ in range(8)]
    assert any(not torch.allclose(drawn[0], other) for other in drawn[1:])
    module.eval()
    assert torch.equal(module(data), module(data))


def test_encodings_that_are_missing_or_of_another_width() -> None:
    plain = random_graph(5, 8, 0)
    for name in ENCODINGS:
        with pytest.raises(InvalidFeatures, match="apply the transform that writes it first"):
            make(name)(plain)
    with pytest.raises(InvalidFeatures, match=r"rwse is \(5, 6\); expected \[N, 20\]"):
        make("rwse")(walks(6)(plain))
    assert LinearEncoder(8, 6)(walks(6)(plain)).shape == (5, 8)
    with pytest.raises(InvalidFeatures, match=r"lap_vectors is \(5, 6\)"):
        make("lappe-deepset").eval()(LapPE(6)(plain))


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings_of_other_vertices_or_not_finite(name: str) -> None:
    data, module = encoded(random_graph(5, 8, 0)), make(name).double()
    attribute = module.needs[0]
    short = data.clone()
    short.num_nodes = 5
    short[attribute] = data[attribute][:3]
    with pytest.raises(InvalidFeatures, match=rf"{attribute} has 3 rows for 5 vertices"):
        module(short)
    broken = data.clone()
    broken[attribute] = data[attribute].clone()
    broken[attribute][2, 0] = float("nan")
    with pytest.raises(InvalidFeatures, match=rf"row 2 of {attribute} holds NaN"):
        module(broken)
