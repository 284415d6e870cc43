"""Errors of the processes that train together, under their own names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.multiprocessing.spawn import ProcessRaisedException

from graphagg import errors
from graphagg.errors import DeviceOutOfMemory, GraphAggError


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


def out_of_memory(found: str, batch_size: int) -> DeviceOutOfMemory:
    """The error with the knobs that there are."""
    return DeviceOutOfMemory(
        f"the device has too little memory for batches of {batch_size} "
        f"({found.splitlines()[0][:200]}); lower training.batch_size, set training.precision to "
        "'bfloat16', or, of one large graph, set "
        "training.fanouts"
    )
