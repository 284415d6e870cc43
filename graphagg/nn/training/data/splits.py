"""Splits from the arrays of an `.npz` file; `graphagg.nn.training.data.npz` says which they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from graphagg.arrays import Array
from graphagg.errors import InvalidDataset
from graphagg.nn.training.data.arrays import BOOLEANS, INTEGERS, Arrays, misfit
from graphagg.nn.training.data.dataset import PARTS, Split, folded

_Read: TypeAlias = Callable[[Path, Arrays, int], Iterator[Split]]


def read_splits(
    path: Path, arrays: Arrays, count: int, kind_name: str | None, labeled: Tensor | None
) -> tuple[Split, ...]:
    """The splits of one kind.

    Args:
        path: the file, for messages.
        arrays: its arrays.
        count: the number of graphs, or of vertices of one graph.
        kind_name: the kind; None: the first.
        labeled: `[count]` booleans, the vertices that have a label; None: all.

    Raises:
        InvalidDataset: there is no such split, or it is of another number of graphs or vertices.
    """
    kinds = _kinds(arrays)
    if not kinds:
        raise InvalidDataset(
            f"{path}: no split; wanted arrays train, val and test, masks of them, or folds; "
            f"found {', '.join(sorted(arrays))}"
        )
    kind = next(iter(kinds)) if kind_name is None else kind_name
    if kind not in kinds:
        raise InvalidDataset(f"{path}: no split {kind!r}; it has {', '.join(kinds)}")
    splits = tuple(kinds[kind](path, arrays, count))
    if kind != "geom" or labeled is None or len(labeled) != count:
        return splits
    # These masks cover every vertex, those without a label too.
    return tuple(
        Split(split.name, *(ids[labeled[ids]] for ids in (split.train, split.val, split.test)))
        for split in splits
    )


def _kinds(arrays: Arrays) -> dict[str, _Read]:
    kinds: dict[str, _Read] = {}
    for prefix, name in (("", "official"), ("bench_", "bench")):
        if all(prefix + subset in arrays for subset in PARTS):
            kinds[name] = partial(_listed, prefix)
    if all(f"{subset}_masks" in arrays for subset in PARTS):
        kinds["masks"] = _masked
    if "geom_splits" in arrays:
        kinds["geom"] = _packed
    for name in sorted(arrays, key=lambda name: (name != "gin_fold", name)):
        if "fold" in name and arrays[name].ndim == 1:
            kinds[name] = partial(_folded, name)
    return kinds


def _listed(prefix: str, path: Path, arrays: Arrays, count: int) -> Iterator[Split]:
    names = [prefix + subset for subset in PARTS]
    tables = []
    for name in names:
        array = arrays[name]
        if array.ndim not in (1, 2) or (array.size and array.dtype.kind not in INTEGERS):
            raise misfit(
                path, name, array,
                "integers [n] or [S, n], padded with -1 (masks are named train_masks, ...)",
            )  # fmt: skip
        ids = np.atleast_2d(array).astype(np.int64)
        if ids.size and ids.min() < -1:
            raise InvalidDataset(
                f"{path}: {name} holds {ids.min()}; wanted numbers from 0, or -1 as padding"
            )
        tables.append(ids)
    for s in range(_number(path, names, tables)):
        yield Split(str(s), *(torch.from_numpy(ids[s][ids[s] >= 0]) for ids in tables))


def _masked(path: Path, arrays: Arrays, count: int) -> Iterator[Split]:
    names = [f"{subset}_masks" for subset in PARTS]
    for name in names:
        array = arrays[name]
        good = array.ndim in (1, 2) and array.shape[-1] == count
        if not good or array.dtype.kind not in BOOLEANS:
            raise misfit(
                path, name, array, f"booleans [{count}] or [S, {count}], one row per split"
            )
    masks = [np.atleast_2d(arrays[name]) for name in names]
    for s in range(_number(path, names, masks)):
        yield Split.of_masks(str(s), *(torch.from_numpy(mask[s]) for mask in masks))


def _packed(path: Path, arrays: Arrays, count: int) -> Iterator[Split]:
    packed, width = arrays["geom_splits"], -(-count // 8)
    if packed.dtype != np.uint8 or packed.ndim != 3 or packed.shape[1:] != (3, width):
        raise misfit(
            path, "geom_splits", packed,
            f"[S, 3, {width}] uint8, numpy.packbits of the masks of {count} (train, val, test)",
        )  # fmt: skip
    bits = torch.from_numpy(np.unpackbits(packed, axis=-1)[..., :count].astype(bool))
    for s, masks in enumerate(bits):
        yield Split.of_masks(str(s), *masks)


def _folded(name: str, path: Path, arrays: Arrays, count: int) -> Iterator[Split]:
    fold: Array = arrays[name]
    if len(fold) != count or fold.dtype.kind not in INTEGERS:
        raise misfit(path, name, fold, f"[{count}] integers, the fold of each")
    yield from folded(torch.from_numpy(fold.astype(np.int64)), f"{path}: {name}")


def _number(path: Path, names: list[str], tables: list[Array]) -> int:
    """Count the splits, one per row."""
    rows = [len(table) for table in tables]
    if len(set(rows)) != 1:
        raise InvalidDataset(
            f"{path}: {', '.join(names[:2])} and {names[2]} hold {rows[0]}, {rows[1]} and "
            f"{rows[2]} splits; wanted the same number of each, one row per split"
        )
    return rows[0]
