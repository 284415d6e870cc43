"""`python -m benchmarks.retrieval.profiles`: cost and recall of an index of each profile.

For each set it prints CPU seconds of the stages of a build, bytes per passage by content, and
recall@2 and recall@5 on the second half of the questions, which is never used for tuning, with the
paired gain of `multihop` over the best plain mode of the set and its 95 % interval. `--chunks N`
splits each passage into chunks of at most N words, which share its title like the chunks of a
document; a gold passage counts as found with any of its chunks. `--encoders` takes names or folders
of models instead of the profile's own (""); later ones are compared with the first one, paired.
`--alone` also runs each model with sentences that are encoded as separate texts.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from benchmarks.report import Report, parser_of, print_table
from benchmarks.retrieval.corpora import names_here, open_index, passages_of, questions
from graphagg.rag import ChunkConfig, PassageIndex, SentenceTransformerEncoder
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.profile import PROFILES, Profile
from graphagg.rag.evaluation.measure import RetrievalEvaluation, difference, evaluate
from graphagg.rag.evaluation.questions import GoldQuestion
from graphagg.rag.models.by_name import encoder_of
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.packaged import DEFAULT_ENCODER

MODES: tuple[Mode, ...] = ("multihop", "dense", "bm25", "rrf")
AIMS = {2: -1.0, 5: -0.5}
"""Minimum gain of `multihop` over the best plain mode at k for the check "holds"."""
FEW = 150  # with fewer questions, a loss counts only if it is significant
PARTS = {
    "texts": r"passages\.texts",
    "vectors": r"windows|\.faiss|\.search\.",
    "names and mentions": r"^gazetteer|^entities|names\.|found",
    "words": r"^lexicon",
    "links": r"^view",
}
"""Patterns of file names by content; other files are ids, titles, metadata, positions."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--sets", nargs="*", help="some of the sets")
    parser.add_argument("--profiles", nargs="*", default=["standard", "fast"], choices=PROFILES)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    parser.add_argument("--chunks", type=int, metavar="WORDS", help="split the passages")
    parser.add_argument("--encoders", nargs="*", default=[""], metavar="MODEL")
    parser.add_argument("--alone", action="store_true", help="also encode sentences alone")
    parser.add_argument("--only-recall", action="store_true", help="build only missing indices")
    chosen = parser.parse_args(arguments)
    folder, rows = chosen.folder, list[list[object]]()
    if chosen.chunks:
        folder /= f"chunks-{chosen.chunks}"
    for name in chosen.sets or names_here():
        for profile in chosen.profiles:
            first: RetrievalEvaluation | None = None
            ways = product(chosen.encoders, (False, True) if chosen.alone else (False,))
            for model, alone in ways:
                encoder = _encoder(profile, model, alone)
                label = "-".join([Path(model).name or profile, *["alone"] * alone])
                directory = folder / label / name
                if not chosen.only_recall or (chosen.chunks and not directory.exists()):
                    _build(name, profile, directory, chosen.chunks, encoder)
                with open_index(name, folder, profile, label, encoder) as index:
                    asked = questions(name, "test", 10_000)
                    row, run = print_recall(f"{name}, {label}", index, asked)
                    first = first or run
                    rows.append([*row, *(gain_of(run, first, k) for k in AIMS)])
    gains = ["gain at 2", "gain at 5", "holds", "against the first at 2", "at 5"]
    print_table(["set", "questions", *MODES, *gains], rows)


def run(report: Report) -> None:
    """Report the cost of each profile: `fast` on 2wiki, `standard` on every tenth passage."""
    report.heading("Profiles of a passage index (2WikiMultiHopQA)")
    if "2wiki" not in names_here():
        report.line("skipped: 2wikimultihopqa is absent; set GRAPHAGG_DATA")
        return
    rows, asked = [], questions("2wiki", "test", 10_000)
    for profile, every in (("fast", 1), ("standard", 10)):
        passages, stages = list(passages_of("2wiki"))[::every], Stages()
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder) / "idx"
            stages.begin()
            with PassageIndex.build(
                passages, directory, chunking=None, profile=profile, progress=stages
            ) as index:
                stages.end()
                quality = evaluate(index, asked).quality if every == 1 else {}
            recall = " / ".join(f"{quality[f'recall@{k}']:.1f}" for k in (2, 5) if quality)
            rows.append(
                [profile, len(passages), stages.total, bytes_of(directory, len(passages)), recall]
            )
    head = ("profile", "passages", "CPU s", "bytes per passage", "multihop, recall@2 / @5")
    report.table(head, rows)


class Alone(SentenceTransformerEncoder):
    """A model that encodes sentences without their passages."""

    pools_sentences = False


def _encoder(profile: Profile, model: str, alone: bool) -> Encoder | None:
    if alone:
        return Alone(model or DEFAULT_ENCODER)
    return encoder_of(profile, model) if model else None


def _build(
    name: str, profile: Profile, directory: Path, words: int | None, encoder: Encoder | None
) -> None:
    """Build a set's index, and print its stages and bytes."""
    passages, stages, what = list(passages_of(name)), Stages(), f"{name}, {directory.parent.name}"
    chunking = ChunkConfig(max_words=words) if words else None
    stages.begin()
    PassageIndex.build(
        passages, directory, chunking=chunking, profile=profile, encoder=encoder, force=True,
        progress=stages,
    ).close()  # fmt: skip
    print(f"{what}: {len(passages):,} passages; CPU s {stages}")
    print(f"{what}: bytes per passage {bytes_of(directory, len(passages))}", flush=True)


def print_recall(
    name: str, index: PassageIndex, asked: Sequence[GoldQuestion]
) -> tuple[list[object], RetrievalEvaluation]:
    """Print the recall of each of `MODES`; return the set's row, and the result of `multihop`."""
    print(f"{name}: {len(index)} passages, {len(asked)} questions; recall@2 / @5 / @10")
    asked_by = {}
    for mode in MODES:
        asked_by[mode] = evaluate(index, asked, mode=mode)
        recalls = (f"{asked_by[mode].quality[f'recall@{k}']:.1f}" for k in (2, 5, 10))
        print(f"  {mode:5} {' / '.join(recalls)}", flush=True)
    gains, holds = [], True
    for k, least in AIMS.items():
        metric = f"recall@{k}"
        best = max(MODES[1:], key=lambda mode: asked_by[mode].quality[metric])
        gain = difference(asked_by[MODES[0]], asked_by[best])
        gains.append(f"{gain_of(asked_by[MODES[0]], asked_by[best], k)} {best}")
        chance = len(asked) < FEW and gain.intervals[metric][1] >= 0
        holds &= gain.percent[metric] >= least or chance
    shown = ("{:.1f} / {:.1f}".format(*list(asked_by[m].quality.values())[:2]) for m in MODES)
    row: list[object] = [name, len(asked), *shown, *gains, "yes" if holds else "no"]
    return row, asked_by[MODES[0]]


def gain_of(run: RetrievalEvaluation, base: RetrievalEvaluation, k: int) -> str:
    """Return the paired gain of recall@k with its 95 % interval."""
    gain, metric = difference(run, base), f"recall@{k}"
    low, high = gain.intervals[metric]
    return f"{gain.percent[metric]:+.1f} [{low:.1f}, {high:.1f}]"


class Stages:
    """Progress callback that measures CPU seconds between the first reports of build stages."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._name, self._since = "reading", 0.0

    def begin(self) -> None:
        self._since = time.process_time()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._name:
            self.end()
            self._name = stage

    def end(self) -> None:
        """End the current stage."""
        now = time.process_time()
        self._seconds[self._name] = self._seconds.get(self._name, 0.0) + now - self._since
        self._since = now

    @property
    def total(self) -> float:
        """Total CPU seconds of all stages so far."""
        return sum(self._seconds.values())

    def __str__(self) -> str:
        self.end()
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self._seconds.items())
        return f"{self.total:.1f} (up to the end of each: {parts})"


def bytes_of(directory: Path, passages: int) -> str:
    files = json.loads((directory / "manifest.json").read_text())["files"]
    held: Counter[str] = Counter()
    for name, entry in files.items():
        part = next((part for part, like in PARTS.items() if re.search(like, name)), "rest")
        held[part] += entry["bytes"]
    total = sum(held.values()) / passages
    parts = ", ".join(f"{name} {size / passages:.0f}" for name, size in held.most_common())
    return f"{total:.0f}, without texts {total - held['texts'] / passages:.0f} ({parts})"


if __name__ == "__main__":
    main()
