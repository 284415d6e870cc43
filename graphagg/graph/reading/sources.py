"""Edges out of everything but text: Parquet, GML, JSON, networkx, PyG, arrays, pairs."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graphagg.errors import (
    GraphAggError,
    InvalidGraph,
    InvalidParameter,
    MissingExtra,
    UnreadableFile,
)
from graphagg.graph.ids import VertexId, check_ids
from graphagg.graph.reading.text import BROKEN_GZIP, Ids, TextCounts, open_bytes, read_bytes

Pairs = Iterator[tuple[Ids, Ids]]
_PAIRS_AT_ONCE = 1 << 18
BROKEN_PARQUET = (pa.ArrowInvalid, OSError)
"""What reading a damaged Parquet file raises."""


def read_parquet(path: Path, counts: TextCounts) -> Pairs:
    """Columns `src` and `dst`, in batches; a `weight` is counted and ignored."""
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        if "src" not in names or "dst" not in names:
            raise InvalidGraph(f"{path}: columns {names}, wanted src and dst; rename them")
        if "weight" in names:
            counts.weights_ignored += file.metadata.num_rows
        for batch in file.iter_batches(batch_size=1 << 20, columns=["src", "dst"]):
            yield _arrow_ids(batch["src"], path, "src"), _arrow_ids(batch["dst"], path, "dst")
    except BROKEN_PARQUET as error:
        raise UnreadableFile(f"{path}: not a Parquet file, or damaged ({error})") from None


def _arrow_ids(column: pa.Array, path: Path, name: str) -> Ids:
    if column.null_count:
        raise InvalidGraph(
            f"{path}: column {name} holds {column.null_count:,} nulls, wanted an id in every row; "
            "remove those rows"
        )
    if pa.types.is_integer(column.type):
        try:
            values: Ids = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid as error:
            raise InvalidGraph(
                f"{path}: column {name} is out of range ({error}), wanted integers of 0 to "
                "2^63 - 1; renumber, or write the ids as strings"
            ) from None
        return values
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.large_string()).dictionary_encode()
    raise InvalidGraph(
        f"{path}: column {name} is {column.type}, wanted integers or strings; convert it"
    )


def read_sets_json(path: Path) -> tuple[list[VertexId], Pairs]:
    """`{set: [elements]}`: the set ids and the pairs (set, element). Held in memory whole."""
    raw = parse_json(read_bytes(path), path)
    if not isinstance(raw, dict) or not all(isinstance(part, list) for part in raw.values()):
        raise InvalidGraph(f"{path}: wanted a JSON object {{set: [elements]}}")
    integer = _all_integers(raw)
    names: list[VertexId] = [int(name) if integer else name for name in raw]
    pairs = ((name, e) for name, part in zip(names, raw.values(), strict=True) for e in part)
    return names, read_tuples(pairs, str(path))


def parse_json(
    content: bytes | str, path: Path, repeated: type[GraphAggError] = InvalidGraph
) -> Any:
    """JSON of which nothing is lost: `UnreadableFile` if it is none, `repeated` for equal keys."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise repeated(
                    f"{path}: key {name!r} stands twice in an object, wanted each once; join them"
                )
            found[name] = value
        return found

    try:
        return json.loads(content, object_pairs_hook=distinct)
    except RecursionError:
        raise UnreadableFile(f"{path}: JSON nested too deep; check the file") from None
    except ValueError as error:
        raise UnreadableFile(f"{path}: not JSON ({error})") from None


def _all_integers(names: Iterable[str]) -> bool:
    """Whether all are written as integers of 0 to 2^63 - 1."""
    return all(re.fullmatch("0|[1-9][0-9]{0,18}", n) and int(n) < 2**63 for n in names)


def read_gml(path: Path) -> tuple[list[VertexId], Pairs, bool]:
    """Vertices (their labels where all differ, else their ids), edges, and whether directed.

    A parser for the part of GML that graphs are exchanged in: flat `node` and `edge` lists.
    """
    try:
        text = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{path}: not UTF-8 ({error}); convert the file to UTF-8") from None
    tokens = re.findall(r'"[^"]*"|[^\s\[\]]+|\[|\]', re.sub(r"(?m)^\s*#.*$", "", text))
    records: dict[str, list[dict[str, str]]] = {"node": [], "edge": []}
    directed = any(a == "directed" and b == "1" for a, b in pairwise(tokens))
    at = 0
    while at < len(tokens) - 1:
        if tokens[at] in records and tokens[at + 1] == "[":
            fields, after = _gml_fields(tokens, at + 2)
            records[tokens[at]].append(fields)
            at = after
        else:
            at += 1
    if not records["node"]:
        raise InvalidGraph(f"{path}: no node in it, wanted GML: graph [ node [ id ... ] ... ]")
    try:
        name_of = _gml_names([(n["id"], n.get("label")) for n in records["node"]])
        pairs = [(name_of[e["source"]], name_of[e["target"]]) for e in records["edge"]]
    except KeyError as error:
        raise InvalidGraph(
            f"{path}: {error} is missing, wanted an id in each node, source and target in each edge"
        ) from None
    return list(name_of.values()), read_tuples(pairs, str(path)), directed


def _gml_fields(tokens: list[str], at: int) -> tuple[dict[str, str], int]:
    """The `key value` pairs up to the closing bracket; nested lists are skipped."""
    fields: dict[str, str] = {}
    while at < len(tokens) and tokens[at] != "]":
        if at + 1 < len(tokens) and tokens[at + 1] == "[":
            at = _gml_fields(tokens, at + 2)[1]
            continue
        fields[tokens[at]] = _gml_value(tokens[at + 1]) if at + 1 < len(tokens) else ""
        at += 2
    return fields, at + 1


def _gml_value(token: str) -> str:
    """A value; in quotes, GML is ASCII and writes other characters as `&#233;`."""
    return html.unescape(token.strip('"')) if token.startswith('"') else token


def _gml_names(nodes: list[tuple[str, str | None]]) -> dict[str, VertexId]:
    labels = [label for _, label in nodes]
    if None not in labels and len(set(labels)) == len(labels):
        return {number: str(label) for number, label in nodes}
    integer = _all_integers(number for number, _ in nodes)
    return {number: int(number) if integer else number for number, _ in nodes}


def read_jlg(path: Path) -> tuple[bytes, int, bool]:
    """The header `n,m,d,name` of a `.jlg` file: the line, n, and whether it is directed."""
    with open_bytes(path) as file:
        try:
            header = file.readline()
        except BROKEN_GZIP as error:
            raise UnreadableFile(f"{path}: cannot be read ({error}); fetch it again") from None
    cells = header.decode("utf-8", "replace").strip().split(",")
    if len(cells) < 3 or not cells[0].isdigit() or cells[2] not in ("u", "d"):
        raise InvalidGraph(f"{path}: header {header[:80]!r}, wanted n,m,u or d,name")
    return header, int(cells[0]), cells[2] == "d"


def read_mat(path: Path) -> tuple[list[VertexId], Pairs]:
    """The vertices 0 to n - 1 and the edges of the sparse matrix `network` of a MATLAB file."""
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError:
        raise MissingExtra("scipy", "communities") from None
    try:
        found = loadmat(str(path), variable_names=["network"], spmatrix=False)
    except (*BROKEN_GZIP, ValueError, TypeError, NotImplementedError, MatReadError) as error:
        raise UnreadableFile(f"{path}: not a MATLAB file ({error})") from None
    network = found.get("network")
    if network is None or network.ndim != 2 or network.shape[0] != network.shape[1]:
        raise InvalidGraph(f"{path}: wanted a square sparse matrix `network`")
    rows, columns = network.nonzero()
    pairs = (rows.astype(np.int64), columns.astype(np.int64))
    return list(range(network.shape[0])), iter([pairs])


def read_tuples(pairs: Iterable[Any], name: str, counts: TextCounts | None = None) -> Pairs:
    """Python pairs, in batches; the third of a triple is counted and ignored."""
    iterator = iter(pairs)
    counts = counts or TextCounts()
    while batch := list(islice(iterator, _PAIRS_AT_ONCE)):
        for pair in batch:
            if not _is_pair(pair):
                raise InvalidGraph(f"{name}: {pair!r}, wanted pairs (source, target) or triples")
            if len(pair) == 3:
                weight = isinstance(pair[2], Real | np.number)
                counts.weights_ignored += weight
                counts.third_ignored += not weight
        yield id_array([pair[0] for pair in batch]), id_array([pair[1] for pair in batch])


def _is_pair(pair: Any) -> bool:
    """Two or three things in an order."""
    if isinstance(pair, str | bytes) or not hasattr(pair, "__getitem__"):
        return False
    return not isinstance(pair, Mapping) and hasattr(pair, "__len__") and 2 <= len(pair) <= 3


def id_array(ids: list[Any]) -> Ids:
    """Checked ids as an int64 or an Arrow string array."""
    check_ids(ids)
    if ids and isinstance(ids[0], str):
        return pa.array(ids, type=pa.large_string()).dictionary_encode()
    return np.array(ids, dtype=np.int64)


def read_object(edges: Any, counts: TextCounts) -> tuple[list[VertexId], Pairs]:
    """Edges of a Python object: networkx, PyG `Data` or `EdgeIndex`, array, mapping or pairs.

    Returns:
        Vertices that may have no edge, and the pairs.
    """
    if hasattr(edges, "is_directed") and hasattr(edges, "nodes"):
        counts.weights_ignored += _networkx_weights(edges)
        return list(edges.nodes), read_tuples(edges.edges(), "the networkx graph")
    if getattr(edges, "edge_index", None) is not None:
        count = edges.num_nodes
        return list(range(count or 0)), _tensor_pairs(edges.edge_index)
    if hasattr(edges, "detach") and hasattr(edges, "cpu"):
        return [], _tensor_pairs(edges)
    if isinstance(edges, np.ndarray):
        return [], _array_pairs(edges)
    if isinstance(edges, Mapping):
        return list(edges), read_tuples(_mapping_pairs(edges), "the mapping")
    if _are_columns(edges):
        return [], _array_pairs(_stacked(edges))
    if isinstance(edges, Iterable) and not isinstance(edges, bytes) and not hasattr(edges, "tocoo"):
        return [], read_tuples(edges, "the edges", counts)
    raise InvalidGraph(
        f"edges are a {type(edges).__name__}, wanted a path, a networkx graph, PyG Data or "
        "EdgeIndex, an [E, 2] array, a mapping {set: elements}, or pairs (of a sparse matrix: "
        "matrix.nonzero())"
    )


def _mapping_pairs(sets: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    for name, part in sets.items():
        if isinstance(part, str | bytes) or not isinstance(part, Iterable):
            raise InvalidGraph(
                f"set {name!r} holds {part!r}, wanted its elements: {{set: [elements]}}"
            )
        for element in part:
            yield name, element


def _are_columns(edges: Any) -> bool:
    """Whether these are two arrays, sources and targets."""
    return (
        isinstance(edges, tuple | list)
        and len(edges) == 2
        and all(isinstance(part, np.ndarray) for part in edges)
    )


def _stacked(columns: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    source, target = columns
    if source.shape != target.shape or source.ndim != 1:
        raise InvalidGraph(
            f"two arrays of {_count(source)} sources and {_count(target)} targets, wanted two of "
            "one length; check where they come from"
        )
    return np.stack((source, target), axis=1)


def _count(column: np.ndarray[Any, Any]) -> str:
    return f"{len(column):,}" if column.ndim == 1 else f"{list(column.shape)}"


def _networkx_weights(edges: Any) -> int:
    """How many edges of a networkx graph carry a `weight`."""
    return sum(1 for *_, weight in edges.edges(data="weight") if weight is not None)


def _tensor_pairs(tensor: Any) -> Pairs:
    plain = tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
    array = np.asarray(plain.detach().cpu())
    if array.ndim != 2 or array.shape[0] != 2:
        raise InvalidGraph(f"edge_index has shape {array.shape}, wanted [2, E]; transpose it")
    return _array_pairs(array.T)


def _array_pairs(array: np.ndarray[Any, Any]) -> Pairs:
    if array.ndim != 2 or array.shape[1] != 2:
        raise InvalidGraph(f"the edge array has shape {array.shape}, wanted [E, 2]; transpose it")
    if array.dtype.kind in "OU":
        return read_tuples(array.tolist(), "the edge array")
    if array.dtype.kind not in "iu":
        raise InvalidGraph(
            f"the edge array holds {array.dtype}, wanted integers or strings; convert it"
        )
    if array.dtype.kind == "u" and array.size and array.max() >= 2**63:
        raise InvalidGraph(
            f"vertex id {array.max()} is out of range, wanted integers of 0 to 2^63 - 1; renumber"
        )
    wide = array.astype(np.int64)
    return iter([(wide[:, 0], wide[:, 1])])


BUNDLED = {
    "les_miserables": "les_miserables_graph",
    "karate_club": "karate_club_graph",
    "florentine_families": "florentine_families_graph",
}
"""Small graphs that come with networkx, by name."""


def bundled_graph(name: str) -> Any:
    """A small graph that comes with networkx, as a networkx graph.

    Raises:
        InvalidParameter: there is none of this name.
        MissingExtra: networkx is not installed.
    """
    if name not in BUNDLED:
        raise InvalidParameter(f"bundled graph is {name!r}, wanted one of {tuple(BUNDLED)}")
    try:
        import networkx
    except ImportError:
        raise MissingExtra("networkx", "communities") from None
    return getattr(networkx, BUNDLED[name])()
