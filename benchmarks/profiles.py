"""`python -m benchmarks.profiles`: what an index of each profile costs, and what it finds.

For each set: CPU seconds of the stages of a build, bytes a passage by what they hold, and recall@2
and recall@5 on the second half of the questions, on which nothing is chosen.

`--copies N` builds instead N copies of a set's passages, each with other names and, in every tenth
place, other words, and prints CPU seconds, peak memory and bytes. The same N gives the same
passages.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.choose.corpora import names_here, open_index, passages_of, questions
from benchmarks.peak import resident
from benchmarks.report import Report
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.config.modes import Mode
from graphagg.rag.config.profile import PROFILES, Profile
from graphagg.rag.evaluation.measure import evaluate

MODES: tuple[Mode, ...] = ("multihop", "dense", "bm25", "rrf")
PARTS = {
    "texts": r"passages\.texts",
    "static table": r"^encoder\.",
    "vectors": r"windows|\.vectors",
    "names and mentions": r"^gazetteer|^entities|names\.|found",
    "words": r"^lexicon",
    "links": r"^view",
}
"""What files hold, by a pattern of their names; the rest is ids, titles, metadata and places."""
_NAME = re.compile(r"\b[^\W\d_a-z][^\W\d_]{2,}\b")
_WORD = re.compile(r"\b[a-z]{4,}\b")
_SYLLABLES = "ba be bi do du fa ga ki la le ma mo na ne po ra ri sa so ta te ti to va ve wo".split()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiles", description=__doc__)
    parser.add_argument("--sets", nargs="*", help="some of the sets")
    parser.add_argument("--profiles", nargs="*", default=["standard", "fast"], choices=PROFILES)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("--only-recall", action="store_true", help="build only what is not there")
    given = parser.parse_args(arguments)
    for name in given.sets or names_here():
        for profile in given.profiles:
            if given.copies:
                _copied(name, profile, given.folder, given.copies)
                continue
            if not given.only_recall:
                _built(name, profile, given.folder)
            _recalled(name, profile, given.folder)


def run(report: Report) -> None:
    """What an index of each profile costs: `fast` on 2wiki, `standard` on every tenth passage."""
    report.heading("Profiles of a passage index (2WikiMultiHopQA)")
    if "2wiki" not in names_here():
        report.line("skipped: 2wikimultihopqa is absent; set GRAPHAGG_DATA")
        return
    rows, asked = [], questions("2wiki", "test", 10_000)
    for profile, every in (("fast", 1), ("standard", 10)):
        passages, stages = list(passages_of("2wiki"))[::every], Stages()
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "idx"
            stages.begin()
            with PassageIndex.build(
                passages, place, chunking=None, profile=profile, progress=stages
            ) as index:
                stages.end()
                found = evaluate(index, asked).quality if every == 1 else None
            recall = "" if found is None else f"{found['recall@2']:.1f} / {found['recall@5']:.1f}"
            rows.append(
                [profile, len(passages), stages.total, bytes_of(place, len(passages)), recall]
            )
    head = ("profile", "passages", "CPU s", "bytes a passage", "multihop, recall@2 / @5")
    report.table(head, rows)
    report.line("The static table of `fast` is 3.4 MB, whatever the passages.")


def _built(name: str, profile: Profile, folder: Path) -> None:
    """Build a set's index, and print its stages and bytes."""
    stages = Stages()
    passages = list(passages_of(name))
    place = folder / profile / name
    stages.begin()
    PassageIndex.build(
        passages, place, chunking=None, profile=profile, force=True, progress=stages
    ).close()
    print(f"{name}, {profile}: {len(passages):,} passages; CPU s {stages}")
    print(f"{name}, {profile}: bytes a passage {bytes_of(place, len(passages))}", flush=True)


def _recalled(name: str, profile: Profile, folder: Path) -> None:
    asked = questions(name, "test", 10_000)
    with open_index(name, folder, profile) as index:
        for mode in MODES:
            found = evaluate(index, asked, mode=mode).quality
            recall = f"{found['recall@2']:.1f} / {found['recall@5']:.1f}"
            print(f"{name}, {profile}, {mode}: {recall}, {len(asked)} questions", flush=True)


def _copied(name: str, profile: Profile, folder: Path, copies: int) -> None:
    place = folder / profile / f"{name}-{copies}"
    shutil.rmtree(place, ignore_errors=True)
    stages = Stages()
    stages.begin()
    with PassageIndex.build(
        copies_of(list(passages_of(name)), copies), place, chunking=None, profile=profile,
        progress=stages,
    ) as index:  # fmt: skip
        count = len(index)
    print(f"{name} x {copies}, {profile}: {count:,} passages; CPU s {stages}")
    print(
        f"peak {resident('VmHWM') / 2**20:,.0f} MiB; bytes a passage {bytes_of(place, count)}",
        flush=True,
    )


class Stages:
    """CPU seconds between the first reports of the stages of a build."""

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
        """The current stage ends here."""
        now = time.process_time()
        self._seconds[self._name] = self._seconds.get(self._name, 0.0) + now - self._since
        self._since = now

    @property
    def total(self) -> float:
        """CPU seconds of all stages so far."""
        return sum(self._seconds.values())

    def __str__(self) -> str:
        self.end()
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self._seconds.items())
        return f"{self.total:.1f} (up to the end of each: {parts})"


def bytes_of(place: Path, passages: int) -> str:
    files = json.loads((place / "manifest.json").read_text())["files"]
    held: Counter[str] = Counter()
    for name, entry in files.items():
        part = next((part for part, like in PARTS.items() if re.search(like, name)), "rest")
        held[part] += entry["bytes"]
    total = sum(held.values()) / passages
    parts = ", ".join(f"{name} {size / passages:.0f}" for name, size in held.most_common())
    return f"{total:.0f}, without texts {total - held['texts'] / passages:.0f} ({parts})"


def copies_of(passages: Sequence[Passage], copies: int) -> Iterator[Passage]:
    """Copies of passages, the first as they are, the others with other names and words."""
    words = sorted({word for p in passages[:2000] for word in _WORD.findall(p.text)})
    for copy in range(copies):
        names: dict[str, str] = {}

        def name(match: re.Match[str], copy: int = copy, names: dict[str, str] = names) -> str:
            found = names.get(match[0])
            if found is None:
                digest = hashlib.sha256(f"{copy} {match[0]}".encode()).digest()
                count = 2 + digest[0] % 2
                made = "".join(_SYLLABLES[byte % len(_SYLLABLES)] for byte in digest[1 : 1 + count])
                found = names[match[0]] = made.capitalize() + match[0][-2:].lower()
            return found

        def word(match: re.Match[str], copy: int = copy) -> str:
            digest = hashlib.sha256(f"{copy} {match.start()} {match[0]}".encode()).digest()
            if digest[0] % 10:
                return match[0]
            return words[int.from_bytes(digest[1:5], "big") % len(words)]

        for passage in passages:
            if not copy:
                yield passage
                continue
            title, text = (_NAME.sub(name, part) for part in (passage.title, passage.text))
            yield replace(
                passage, id=f"{passage.id}~{copy}", title=title, text=_WORD.sub(word, text)
            )


if __name__ == "__main__":
    main()
