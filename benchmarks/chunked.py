"""Documents in chunks: sets of titled passages, each split into pieces of some thirty words.

    python -m benchmarks.chunked FOLDER [--sets hotpotqa musique 2wiki] [--half test] [--words 30]

The pieces of a passage have one title, as the chunks of a user's document do; a question's gold
documents count by any of their pieces. Indices of profile `fast` by default, which take a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.corpora import names_here, passages_of, questions
from benchmarks.unseen import print_recall
from graphagg.rag import ChunkConfig, PassageIndex
from graphagg.rag.evaluation.questions import HALVES
from graphagg.rag.profile import PROFILES

SETS = ("hotpotqa", "musique", "2wiki")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chunked", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--half", choices=HALVES, default="test")
    parser.add_argument("--words", type=int, default=30, help="of a piece, at most")
    parser.add_argument("--questions", type=int, default=500, help="of a set, at most")
    parser.add_argument("--profile", choices=PROFILES, default="fast")
    given = parser.parse_args()
    for name in given.sets:
        if name not in names_here():
            print(f"{name}: its data are not on this machine")
            continue
        place = given.folder / f"{name}-{given.profile}-{given.words}"
        if not (place / "manifest.json").is_file():
            chunking = ChunkConfig(max_words=given.words, overlap_sentences=0)
            passages = passages_of(name)
            PassageIndex.build(passages, place, chunking=chunking, profile=given.profile).close()
        asked = questions(name, given.half, given.questions)
        with PassageIndex.open(place) as index:
            print_recall(name, index, asked)


if __name__ == "__main__":
    main()
