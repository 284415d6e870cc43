"""`python -m benchmarks.retrieval.index_cost`: index cost beside encoding alone.

Of 2WikiMultiHopQA, of the folder of raw documentation in chunks, and of long passages (ten of
2WikiMultiHopQA as one), or of every n-th passage of each (`--every`): CPU seconds of
`PassageIndex.build`, how much of it are names and sentences, vectors, and the rest, and in the same
run of the same encoder over the texts of the passages alone. One thread, models loaded before.
`--models` takes names or folders of encoders, which are measured in this order.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import cost
from benchmarks.report import Report, parser_of, print_table
from graphagg import kernels
from graphagg.rag import (
    FolderReport,
    Passage,
    PassageIndex,
    SpacyExtractor,
    chunk_documents,
    read_documents,
    read_passages,
)
from graphagg.rag.models.by_name import encoder_of
from graphagg.rag.models.encoder import pools_sentences
from graphagg.rag.models.packaged import DEFAULT_ENCODER
from tests.conftest import DATA

WIKI = DATA / "2wikimultihopqa" / "passages.jsonl.gz"
FOLDER = DATA / "folder" / "documents.tar.gz"
HEAD = (
    "set", "passages", "build, CPU s", "names and sentences", "vectors", "the rest",
    "passages alone", "build / alone",
)  # fmt: skip

Row = list[Any]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th passage")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--models", nargs="*", default=[DEFAULT_ENCODER])
    chosen = parser.parse_args(arguments)
    rows = [shares(n, SETS[n](chosen.every), m) for n in chosen.sets for m in chosen.models]
    print_table(HEAD, rows)


def run(report: Report) -> None:
    """Every 40th passage of each set."""
    report.heading("Cost of a passage index beside encoding its texts (every 40th passage)")
    if not WIKI.exists() or not FOLDER.exists():
        report.line("skipped: 2wikimultihopqa or folder is absent; set GRAPHAGG_DATA")
        return
    report.table(HEAD, [shares(name, passages(40)) for name, passages in SETS.items()])


def wiki(every: int) -> list[Passage]:
    """2WikiMultiHopQA."""
    return list(read_passages(WIKI))[::every]


def folder(every: int) -> list[Passage]:
    """The folder of raw documentation, in chunks."""
    with tempfile.TemporaryDirectory() as place, tarfile.open(FOLDER) as archive:
        archive.extractall(place, filter="data")
        return list(chunk_documents(read_documents(place, report=FolderReport())))[::every]


def long(every: int) -> list[Passage]:
    """Ten passages of 2WikiMultiHopQA as one."""
    every_one = list(read_passages(WIKI))
    runs = [every_one[i : i + 10] for i in range(0, len(every_one), 10)][::every]
    return [Passage(some[0].id, "\n\n".join(each.text for each in some)) for some in runs]


SETS = {"2wiki": wiki, "folder": folder, "long": long}


class Timed:
    """CPU seconds of a method of an object, of what it yields included.

    Args:
        owner: the object, whose method is replaced.
        name: of the method.
    """

    def __init__(self, owner: object, name: str) -> None:
        self.seconds, self._method = 0.0, getattr(owner, name)
        setattr(owner, name, self._call)

    def _call(self, *arguments: Any, **options: Any) -> Any:
        result = self._count(partial(self._method, *arguments, **options))
        return self._each(result) if isinstance(result, Iterator) else result

    def _each(self, results: Iterator[Any]) -> Iterator[Any]:
        while (result := self._count(partial(next, results, None))) is not None:
            yield result

    def _count(self, call: Callable[[], Any]) -> Any:
        spent = cost(call)
        self.seconds += spent.cpu
        return spent.result


def shares(name: str, passages: list[Passage], model: str = DEFAULT_ENCODER) -> Row:
    """The CPU seconds of a build by what they go to, and of the encoder alone."""
    os.environ["OMP_NUM_THREADS"] = "1"  # which the encoder reads
    encoder, extractor = encoder_of("standard", model), SpacyExtractor(processes=1)
    method = "encode_passages" if pools_sentences(encoder) else "encode"
    kernels.Kernel.small_rows = 0  # before the clock begins
    with tempfile.TemporaryDirectory() as place:

        def build(some: list[Passage]) -> None:
            PassageIndex.build(
                some, Path(place) / f"{len(some)}", chunking=None, encoder=encoder,
                extractor=extractor,
            ).close()  # fmt: skip

        build(passages[:4])
        alone = cost(partial(encoder.encode, [passage.full_text for passage in passages])).cpu
        names, vectors = Timed(extractor, "annotate"), Timed(encoder, method)
        whole = cost(partial(build, passages)).cpu
    rest = whole - names.seconds - vectors.seconds
    parts = [whole, names.seconds, vectors.seconds, rest, alone, whole / alone]
    label = name if model == DEFAULT_ENCODER else f"{name}, {Path(model).name}"
    return [label, len(passages), *(f"{part:.2f}" for part in parts)]


if __name__ == "__main__":
    main()
