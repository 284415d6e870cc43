"""Several devices: a process for each, which begins as a copy of the caller's."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import distributed
from torch.multiprocessing.spawn import ProcessRaisedException, start_processes

from graphagg import errors
from graphagg.errors import DeviceOutOfMemory, GraphAggError

Train = Callable[[torch.device], None]


def on_all(devices: tuple[torch.device, ...], train: Train) -> None:
    """Call `train` with each device, in processes that see each other; here, where it is one.

    The processes are forked, so that neither data nor model need be pickled.
    """
    if len(devices) == 1:
        train(devices[0])
        return
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        start_processes(  # type: ignore[no-untyped-call]
            _joined, (train, devices, store), len(devices), start_method="fork"
        )


def _joined(rank: int, train: Train, devices: tuple[torch.device, ...], store: Path) -> None:
    device = devices[rank]
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(max(torch.get_num_threads() // len(devices), 1))
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=len(devices),
    )
    try:
        train(device)
    finally:
        distributed.destroy_process_group()


def summed(values: list[float], device: torch.device) -> list[float]:
    """Sum each value over all processes that train together."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return values
    kind = torch.float32 if device.type == "mps" else torch.float64
    sums = torch.tensor(values, dtype=kind, device=device)
    distributed.all_reduce(sums)
    return [float(value) for value in sums]


@contextmanager
def named_failures(batch_size: int) -> Iterator[None]:
    """Raise what a process of several raised, and say what to do where memory is short.

    Args:
        batch_size: of the training, for messages.

    Raises:
        DeviceOutOfMemory: a batch is too large for the device.
        GraphAggError: what a process raised by that name.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise out_of_memory(str(error), batch_size) from None
    except ProcessRaisedException as error:
        text = str(error)
        if "OutOfMemoryError" in text:
            raise out_of_memory(text.strip().splitlines()[-1], batch_size) from None
        named = re.findall(r"^graphagg\.errors\.(\w+): (.*)", text, re.MULTILINE)
        kind = getattr(errors, named[-1][0], None) if named else None
        if isinstance(kind, type) and issubclass(kind, GraphAggError):
            raise kind(named[-1][1]) from None
        raise


def out_of_memory(message: str, batch_size: int) -> DeviceOutOfMemory:
    """Make the error that names the settings which take less memory."""
    return DeviceOutOfMemory(
        f"the device has too little memory for batches of {batch_size} "
        f"({message.splitlines()[0][:200]}); lower training.batch_size, set training.precision to "
        "'bfloat16', or, of one large graph, set "
        "training.fanouts"
    )
