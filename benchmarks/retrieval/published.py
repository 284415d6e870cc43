"""Recall on HippoRAG 2's pools, from the published files, compared with published figures.

    python -m benchmarks.retrieval.published DIR [--profile standard] [--modes multihop] [--out IDX]

DIR contains `musique_corpus.json` and `musique.json`, and the same for `hotpotqa` and
`2wikimultihopqa` (any of the three), from `reproduce/dataset` of github.com/OSU-NLP-Group/HippoRAG.
A corpus is a list of `title` and `text`. Questions have `paragraphs` with `is_supporting`
(MuSiQue), or `context` and `supporting_facts`. Gold is by passage, that is by title and text, never
only by title: 647 titles of MuSiQue occur more than once. Passages with the same title and text
are merged. The SHA-256 of each file is printed, and its counts are checked, so that you can verify
that two results are from the same files.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import parser_of, print_table
from graphagg.errors import UnreadableFile
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.config.modes import MODES, Mode
from graphagg.rag.config.profile import DEFAULT_PROFILE, PROFILES
from graphagg.rag.evaluation.measure import evaluate
from graphagg.rag.evaluation.questions import GoldQuestion

COUNTS = {"musique": 11_656, "hotpotqa": 9_811, "2wikimultihopqa": 6_119}
"""Published number of passages of each pool; each has 1,000 questions."""
QUESTIONS = 1_000
PUBLISHED = {
    "HippoRAG 2 (70B, 7B encoder)": {
        "musique": "56.1 / 74.7", "hotpotqa": "83.5 / 96.3", "2wikimultihopqa": "76.2 / 90.4",
    },
    "NV-Embed-v2 7B": {
        "musique": "52.7 / 69.7", "hotpotqa": "84.1 / 94.5", "2wikimultihopqa": "67.1 / 76.5",
    },
    "PropRAG v2": {"musique": "- / 78.3", "hotpotqa": "- / 97.4", "2wikimultihopqa": "- / 94.1"},
    "BM25": {
        "musique": "32.4 / 43.5", "hotpotqa": "57.3 / 74.8", "2wikimultihopqa": "55.3 / 65.3",
    },
}  # fmt: skip
"""Published recall@2 / recall@5 in percent (HippoRAG 2 and the rows below from AutoSchemaKG)."""


@dataclass(frozen=True)
class Pool:
    """A corpus, and questions with the passages that they need.

    Attributes:
        name: name of the data set.
        passages: passages with distinct title and text.
        questions: questions with gold ids.
        notes: remarks on the files.
    """

    name: str
    passages: list[Passage]
    questions: list[GoldQuestion]
    notes: list[str]


def read_pool(folder: Path, name: str) -> Pool:
    """Read a pool from the two files of a data set.

    Raises:
        UnreadableFile: a file is not such a list, or a question needs a missing passage.
    """
    corpus, asked = folder / f"{name}_corpus.json", folder / f"{name}.json"
    rows, records = _list(corpus), _list(asked)
    notes = [f"{path.name}: sha256 {_digest(path)}" for path in (corpus, asked)]
    if len(rows) != COUNTS.get(name) or len(records) != QUESTIONS:
        notes.append(
            f"{name}: {len(rows):,} passages and {len(records):,} questions, expected "
            f"{COUNTS.get(name, 0):,} and {QUESTIONS:,}: figures are not comparable"
        )
    ids: dict[tuple[str, str], str] = {}
    for row in rows:
        ids.setdefault((str(row["title"]), str(row["text"])), f"{name}-{len(ids):05}")
    passages = [Passage(identifier, text, title) for (title, text), identifier in ids.items()]
    questions = []
    for i, record in enumerate(records):
        needed = {_id_of(ids, texts) for texts in _gold(record)}
        if not needed or None in needed:
            raise UnreadableFile(
                f"{asked}: question {i} ({str(record.get('question'))[:60]!r}) needs passages that "
                f"{corpus.name} lacks; use both files from the same commit"
            )
        gold = frozenset(identifier for identifier in needed if identifier)
        kind = str(record.get("type") or "")
        questions.append(GoldQuestion(str(i), str(record["question"]), gold, kind))
    return Pool(name, passages, questions, notes)


def _id_of(ids: Mapping[tuple[str, str], str], texts: Sequence[tuple[str, str]]) -> str | None:
    """Return the id of a passage, given the possible spellings of its text; None if missing."""
    return next((ids[each] for each in texts if each in ids), None)


def _gold(record: Mapping[str, Any]) -> list[list[tuple[str, str]]]:
    """Return title and text of each needed passage, in the variants that corpora join sentences."""
    if "paragraphs" in record:
        return [
            [(each["title"], each.get("text") or each.get("paragraph_text", ""))]
            for each in record["paragraphs"]
            if each.get("is_supporting", True)
        ]
    titles = {title for title, _ in record["supporting_facts"]}
    return [
        [(title, joint.join(sentences)) for joint in ("", " ")]
        for title, sentences in record["context"]
        if title in titles
    ]


def _list(path: Path) -> list[Mapping[str, Any]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: {error}; expected a published list in JSON") from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise UnreadableFile(f"{path}: not a list of objects; expected the published file")
    return rows


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def recalls(pool: Pool, folder: Path, profile: Any, modes: Sequence[Mode]) -> dict[str, str]:
    """Return recall@2 / recall@5 of the modes, in percent; build the index if it is missing."""
    place = folder / f"{pool.name}-{profile}"
    if not (place / "manifest.json").is_file():
        PassageIndex.build(pool.passages, place, chunking=None, profile=profile).close()
    with PassageIndex.open(place) as index:
        quality = {mode: evaluate(index, pool.questions, mode=mode).quality for mode in modes}
    return {m: f"{each['recall@2']:.1f} / {each['recall@5']:.1f}" for m, each in quality.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--profile", choices=PROFILES, default=DEFAULT_PROFILE)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=["multihop", "dense", "bm25"])
    parser.add_argument("--out", type=Path, help="folder to keep the indices")
    options = parser.parse_args(arguments)
    names = [name for name in COUNTS if (options.folder / f"{name}_corpus.json").is_file()]
    if not names:
        parser.exit(1, f"{options.folder} has no {', '.join(COUNTS)}_corpus.json\n")
    columns = {}
    with nullcontext(options.out) if options.out else tempfile.TemporaryDirectory() as indices:
        for name in names:
            pool = read_pool(options.folder, name)
            print("\n".join(pool.notes), flush=True)
            columns[name] = recalls(pool, Path(indices), options.profile, options.modes)
    rows = [[f"graphagg {mode}", *(columns[n][mode] for n in names)] for mode in options.modes]
    rows += [[system, *(known.get(n, "") for n in names)] for system, known in PUBLISHED.items()]
    print_table(["recall@2 / @5, by passage", *names], rows)


if __name__ == "__main__":
    main()
