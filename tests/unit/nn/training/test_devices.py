"""Several devices: their names, what each does of a batch, and that it is the same training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import (
    DeviceOutOfMemory,
    DeviceUnavailable,
    InvalidParameter,
    TrainingDiverged,
    TrainingPaused,
)
from graphagg.nn.training import TrainingConfig, train
from graphagg.nn.training.batches import GraphBatches
from graphagg.nn.training.data.graphs import Graphs
from graphagg.nn.training.device import find_devices
from graphagg.nn.training.fit.epoch_log import read_epochs
from graphagg.nn.training.fit.processes import named_failures
from graphagg.nn.training.folder import read_checkpoint
from graphagg.nn.training.shares import here, share_of
from tests.unit.nn.training.test_train import losses, weights
from tests.unit.nn.training.toys import Line, Tiny, line, many, single, tiny

SHORT = TrainingConfig(epochs=2, batch_size=5, lr=1e-2, warmup_epochs=1)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(1, 5))
def test_shares_are_a_partition_by_work_and_their_mean_is_that_of_the_batch(
    costs: list[int], world: int
) -> None:
    every = torch.tensor(costs, dtype=torch.float64)
    shares = [share_of(every, rank, world) for rank in range(world)]
    taken = [s for s in shares if s.weight]
    positions = torch.cat([s.positions for s in taken]).sort()[0]
    assert torch.equal(positions, torch.arange(len(costs)))
    loads = [float(every[s.positions].sum()) for s in taken]
    assert max(loads) <= sum(costs) / world + max(costs) + 1e-9
    values = torch.randn(len(costs), dtype=torch.float64)
    mean = sum(float(values[s.positions].mean()) * s.weight for s in shares) / world
    assert mean == pytest.approx(float(values.mean()), abs=1e-12)
    assert all(len(s.positions) for s in shares)  # all take a step


def test_devices_by_name() -> None:
    assert find_devices("cpu") == (torch.device("cpu"),)
    assert find_devices("cpu, cpu") == (torch.device("cpu"),) * 2


@pytest.mark.parametrize("name", ["cuda:0,97", "cpu,cuda:97", "cpu,,cpu", "cpu,7"])
def test_a_device_of_a_list_that_is_not_there(name: str) -> None:
    with pytest.raises(DeviceUnavailable, match=r"is not there; available: .*cpu"):
        find_devices(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [("cuda:0,1,0", "names cuda:0 twice"), ("cuda:0,cpu", "cpu and cuda together")],
)
def test_devices_that_do_not_go_together(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_devices("cuda:0,1") == (torch.device("cuda:0"), torch.device("cuda:1"))
    with pytest.raises(InvalidParameter, match=message):
        find_devices(name)


def test_one_whole_graph_has_nothing_to_share(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="2 devices share the batches"):
        train(tiny, single(), tmp_path / "run", training=SHORT, device="cpu,cpu")


def test_loggers_are_told_of_each_epoch(tmp_path: Path) -> None:
    told: list[tuple[dict[str, float], int]] = []
    train(
        tiny, many(), tmp_path / "run", training=SHORT,
        loggers=[lambda values, epoch: told.append((values, epoch))],
    )  # fmt: skip
    rows = read_epochs(tmp_path / "run" / "split-0" / "metrics.csv")
    assert [
        {"epoch": str(epoch), **{k: str(v) for k, v in values.items()}} for values, epoch in told
    ] == rows


class Short(Tiny):
    """A model for which no batch is small enough."""

    def forward(self, data: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_too_little_memory_names_the_batch_size_and_the_knobs(tmp_path: Path) -> None:
    with pytest.raises(DeviceOutOfMemory, match=r"batches of 5 .*lower training\.batch_size"):
        train(Short, many(), tmp_path / "run", training=SHORT)


def test_what_a_process_raised_comes_back_by_its_name() -> None:
    from torch.multiprocessing.spawn import ProcessRaisedException

    trace = "-- Process 1 terminated\n  File x\ngraphagg.errors.TrainingDiverged: the loss is nan"
    with pytest.raises(TrainingDiverged, match="the loss is nan"), named_failures(5):
        raise ProcessRaisedException(trace, 1, 2)
    with pytest.raises(ProcessRaisedException), named_failures(5):
        raise ProcessRaisedException("ValueError: something else", 1, 2)


def test_costs_grow_with_what_a_graph_holds() -> None:
    graphs = Graphs.of(many().graphs)
    ids = torch.arange(len(graphs))
    sizes = graphs.vertex_ptr.diff()
    assert torch.equal(graphs.costs(ids).argmax(), sizes.argmax())
    assert len(list(GraphBatches(graphs, ids, 5))) == -(-len(ids) // 5)


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Without dropout and batch norm, whose results depend on what lies in a batch."""

    class Signs(Line):
        def forward(self, data: Any) -> torch.Tensor:
            rank, world = here()
            (tmp_path / f"rank {rank} of {world}").touch()
            return super().forward(data)

    for name, device in (("one", "cpu"), ("two", "cpu,cpu")):
        train(Signs, many(), tmp_path / name, training=SHORT, device=device, name="line")
    signed = {path.name for path in tmp_path.glob("rank *")}
    assert signed == {"rank 0 of 1", "rank 0 of 2", "rank 1 of 2"}
    torch.testing.assert_close(
        losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-5, atol=0
    )
    two, one = weights(tmp_path / "two"), weights(tmp_path / "one")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)
    last = read_checkpoint(tmp_path / "two" / "split-0" / "last.ckpt")
    assert set(last["state_dict"]) == {f"model.{name}" for name in one}
    # A checkpoint of two goes on with one, and of one with two.
    for first, second in (("cpu,cpu", "cpu"), ("cpu", "cpu,cpu")):
        out = tmp_path / first
        with pytest.raises(TrainingPaused):
            train(line, many(), out, training=SHORT, device=first, minutes=1e-9)
        train(line, many(), out, training=SHORT, device=second, resume=True)
        torch.testing.assert_close(losses(out), losses(tmp_path / "one"), rtol=1e-5, atol=0)
