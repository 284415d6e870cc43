"""Question sets for the benchmarks: passages, questions, and an index of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from graphagg.rag import Passage, PassageIndex, read_passages
from graphagg.rag.config.profile import DEFAULT_PROFILE, Profile
from graphagg.rag.evaluation.questions import GoldQuestion, read_questions
from graphagg.rag.models.encoder import Encoder
from tests.conftest import DATA

WIKI = DATA / "2wikimultihopqa"
SHARED = (
    "hotpotqa", "musique", "lihua-world", "pubmedqa", "entailmentbank", "xquad-de-es", "fiqa-gold",
    "piaf-fr", "feedbackqa", "code-search", "manuals", "rules",
)  # fmt: skip
UNTITLED = "-untitled"
GENERATED = Path(__file__).parents[1] / "sets"
"""Sets that come with the benchmarks; commit 8a89fc1f has their generators."""
NAMES = (
    "2wiki", "2wiki" + UNTITLED, *SHARED, "three-hop", "three-hop" + UNTITLED, "tickets",
    "chapters",
)  # fmt: skip
SEED = 0  # seed of the split into halves
Half = Literal["tune", "test"]
"""Half of the questions: "tune" to choose constants, "test" to report."""
_SAME_PASSAGES = {"three-hop": "2wiki", "three-hop" + UNTITLED: "2wiki" + UNTITLED}


def names_here() -> list[str]:
    """Return the sets whose data are on this machine."""
    return [name for name in NAMES if _folder(_SAME_PASSAGES.get(name, name)).is_dir()]


def family(name: str) -> str:
    """Return the family of a set. Its sets share passages or questions; leave them out together."""
    return name.removesuffix(UNTITLED)


def share_passages(name: str, other: str) -> bool:
    """Whether questions of one set may have answers in the other set."""
    return family(_SAME_PASSAGES.get(name, name)) == family(_SAME_PASSAGES.get(other, other))


def questions(name: str, which: Half, most: int) -> list[GoldQuestion]:
    """Return one half of a set's questions; only every n-th if there are more than `most`."""
    found = read_questions(_folder(name) / "questions.jsonl.gz")
    if language := _language(name):
        found = [question for question in found if question.type == language]
    order, middle = np.random.default_rng(SEED).permutation(len(found)), len(found) // 2
    rows = np.sort(order[:middle] if which == "tune" else order[middle:])
    chosen = [found[i] for i in rows.tolist()]
    return chosen[:: -(-len(chosen) // most)]


def open_index(
    name: str,
    folder: Path,
    profile: Profile = DEFAULT_PROFILE,
    label: str = "",
    encoder: Encoder | None = None,
) -> PassageIndex:
    """Open the index of a set at `folder/label/name`; build it if it does not exist.

    Without a label and an encoder, it has the models of its profile.
    """
    name = _SAME_PASSAGES.get(name, name)
    place = folder / (label or profile) / name
    if not (place / "manifest.json").is_file():
        PassageIndex.build(
            passages_of(name), place, chunking=None, profile=profile, encoder=encoder
        ).close()
    return PassageIndex.open(place, encoder=encoder)


def passages_of(name: str) -> Iterator[Passage]:
    """Yield the passages of a set."""
    name = _SAME_PASSAGES.get(name, name)
    language = _language(name)
    for passage in read_passages(_folder(name) / "passages.jsonl.gz"):
        if language in ("", passage.metadata.get("lang")):
            yield replace(passage, title="") if name.endswith(UNTITLED) else passage


def _folder(name: str) -> Path:
    name = family(name).partition("/")[0]
    if (GENERATED / name).is_dir():
        return GENERATED / name
    return WIKI if name == "2wiki" else DATA / "retrieval" / name


def _language(name: str) -> str:
    """Return the language of a part of a set, such as `xquad-languages/tr`; "" for a whole set."""
    return name.partition("/")[2]
