"""Recall and CPU of hubmesh, bm25s, LinearRAG and graphagg on the same passages and questions.

    python -m venv peers
    peers/bin/pip install -e '.[rag,models]' 'hubmesh[kg]==0.4.2' bm25s==0.3.16 PyStemmer \
        pytest hypothesis==6.170.17 httpx igraph pandas pyarrow tqdm openai
    peers/bin/python -m benchmarks.retrieval.peers --sets manuals hotpotqa --linearrag CHECKOUT

The peers need a separate environment. Each cell is a fresh process of one thread. The questions
are those of the second halves. hubmesh runs as its page recommends for multi-hop questions: with
its graph of entities, on titles and texts, with its defaults. It uses the packaged encoder and
spaCy pipeline of graphagg's profile `standard`, so that models make no difference. bm25s uses its
English stopwords and stemmer.

The official code of LinearRAG is not a package: CHECKOUT is a folder with the files of
github.com/DEEP-PolyU/LinearRAG (its later versions import PyTorch too). It indexes and retrieves
with the defaults of its `run.py`, without an LLM, with the same encoder and pipeline as hubmesh
instead of all-mpnet-base-v2 and en_core_web_trf. Its `retrieve` prepares its arrays at each call,
that is, for each question.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import in_process
from benchmarks.report import parser_of, print_table
from benchmarks.retrieval.corpora import passages_of, questions
from graphagg.rag import Passage, PassageIndex, SentenceTransformerEncoder
from graphagg.rag.evaluation.questions import GoldQuestion
from graphagg.rag.models.extractor import DEFAULT_EXTRACTOR

Search = Callable[[str], list[str]]
"""Returns the ids of the first five passages for a question."""


def hubmesh(passages: Sequence[Passage], folder: Path) -> Search:
    import spacy
    from hubmesh import Planner
    from hubmesh.adapters import InMemoryStore
    from hubmesh.kg import build_entity_kg
    from hubmesh.types import Document

    encoder, nlp = SentenceTransformerEncoder(), spacy.load(DEFAULT_EXTRACTOR)
    texts = [_text(passage) for passage in passages]
    vectors = encoder.encode(texts)
    documents = [
        Document(passage.id, text, vector)
        for passage, text, vector in zip(passages, texts, vectors, strict=True)
    ]
    planner = Planner(
        store=InMemoryStore.from_documents(documents),
        kg=build_entity_kg(documents, nlp=nlp),
        nlp=nlp,
        embed=lambda question: encoder.encode_query([question], [])[0][0],
    )

    def search(question: str) -> list[str]:
        found = planner.retrieve(question, top_k=5, budget_tokens=10**6)
        return [each.doc.id for each in found.sources]

    return search


def bm25s(passages: Sequence[Passage], folder: Path) -> Search:
    import bm25s
    import Stemmer

    def tokens(texts: list[str]) -> Any:
        return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)

    stemmer, ids = Stemmer.Stemmer("english"), [passage.id for passage in passages]
    index = bm25s.BM25()
    index.index(tokens([_text(passage) for passage in passages]), show_progress=False)

    def search(question: str) -> list[str]:
        rows, _ = index.retrieve(tokens([question]), k=5, show_progress=False)
        return [ids[row] for row in rows[0]]

    return search


def linearrag(passages: Sequence[Passage], folder: Path) -> Search:
    os.environ["TQDM_DISABLE"] = "1"
    from src.config import LinearRAGConfig
    from src.LinearRAG import LinearRAG

    config = LinearRAGConfig(
        "passages", embedding_model=_Encoder(), spacy_model=DEFAULT_EXTRACTOR, llm_model=None,
        working_dir=str(folder), max_iterations=3, iteration_threshold=0.4, passage_ratio=2,
        top_k_sentence=3,
    )  # fmt: skip
    ids = {f"{row}:{_text(passage)}": passage.id for row, passage in enumerate(passages)}
    rag = LinearRAG(config)
    rag.index(list(ids))

    def search(question: str) -> list[str]:
        found = rag.retrieve([{"question": question, "answer": ""}])
        return [ids[text] for text in found[0]["sorted_passage"]]

    return search


class _Encoder:
    """The packaged encoder with the interface of sentence-transformers."""

    def __init__(self) -> None:
        self._encoder = SentenceTransformerEncoder()

    def encode(self, texts: str | list[str], **options: Any) -> Any:
        """Return the vector of a question, or vectors of texts; they are always normalized."""
        if isinstance(texts, str):
            return self._encoder.encode_query([texts], [])[0][0]
        return self._encoder.encode(texts)


def fast(passages: Sequence[Passage], folder: Path) -> Search:
    return _graphagg(PassageIndex.build(passages, folder / "idx", chunking=None, profile="fast"))


def standard(passages: Sequence[Passage], folder: Path) -> Search:
    return _graphagg(PassageIndex.build(passages, folder / "idx", chunking=None))


def _graphagg(index: PassageIndex) -> Search:
    return lambda question: [hit.passage.id for hit in index.retrieve(question, k=5)]


def _text(passage: Passage) -> str:
    return f"{passage.title}\n{passage.text}".strip()


SYSTEMS = {each.__name__: each for each in (bm25s, hubmesh, linearrag, fast, standard)}


def measure(
    system: str, name: str, most: int, size: int = 0, checkout: str = ""
) -> dict[str, float]:
    """Measure recall in percent, CPU seconds of build and models, CPU ms per question (p50)."""
    sys.path += [checkout] if checkout else []
    asked = questions(name, "test", most)
    passages = _pool(list(passages_of(name)), asked, size)
    with tempfile.TemporaryDirectory() as folder:
        began = _cpu()
        search = SYSTEMS[system](passages, Path(folder))
        build = _cpu() - began
        search(asked[0].text)  # the first question loads and compiles
        recalls, times = [], []
        for question in asked:
            start = time.process_time()
            hits = search(question.text)
            times.append(1000 * (time.process_time() - start))
            recalls.append(
                [len(question.gold & set(hits[:k])) / len(question.gold) for k in (2, 5)]
            )
    at_2, at_5 = 100 * np.mean(recalls, axis=0)
    return {"at_2": at_2, "at_5": at_5, "build": build, "ms": float(np.median(times))}


def _pool(passages: list[Passage], asked: list[GoldQuestion], size: int) -> list[Passage]:
    """Return the gold passages, and evenly spaced other ones, about `size` in total; 0: all."""
    gold = {each for question in asked for each in question.gold}
    others = [passage.id for passage in passages if passage.id not in gold]
    every = -(-len(others) // max(1, size - len(gold))) if size else 1
    kept = gold | set(others[::every])
    return [passage for passage in passages if passage.id in kept]


def _cpu() -> float:
    """Return the CPU seconds of this process and of its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Measure each system on each set."""
    parser = parser_of(__doc__)
    parser.add_argument("--sets", nargs="+", default=["manuals", "hotpotqa", "musique", "2wiki"])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--questions", type=int, default=200, help="maximum per set")
    parser.add_argument("--passages", type=int, default=0, help="about so many per set; 0: all")
    parser.add_argument("--linearrag", default="", metavar="CHECKOUT", help="if missing: skipped")
    chosen = parser.parse_args()
    if not chosen.linearrag and "linearrag" in chosen.systems:
        print("linearrag is skipped: --linearrag gives no checkout of its code\n")
        chosen.systems.remove("linearrag")
    rows = []
    for name in chosen.sets:
        for system in chosen.systems:
            got = in_process(
                measure, system=system, name=name, most=chosen.questions, size=chosen.passages,
                checkout=chosen.linearrag,
            )  # fmt: skip
            if got is not None:
                recall = f"{got['at_2']:.1f} / {got['at_5']:.1f}"
                rows.append([name, system, recall, f"{got['build']:.1f}", f"{got['ms']:.1f}"])
    print_table(["set", "system", "recall@2 / @5", "CPU s, build", "CPU ms, a question"], rows)


if __name__ == "__main__":
    main()
