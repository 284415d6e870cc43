"""`python -m benchmarks.stopped`: builds that are stopped at random moments, and begun again.

An index of every sixth passage of 2WikiMultiHopQA, 1,000 documents, or of every `--every`-th, is
built once undisturbed, and once per moment: stopped there by Ctrl-C and by SIGKILL in turn, then by
the same command to the end. Moments are drawn by the CPU seconds of the build, so that the load of
the machine plays no part. For each:

- lost: CPU seconds that the second run does again, in % of the undisturbed build: those after the
  last block that was kept, and between the blocks of the two stages that are kept.
- all: CPU seconds of both runs, without the loading of models, in % of the undisturbed build.
- time left: the largest error of the time that the second run says is left, in % of the truth, at
  each tenth of its work from the first to the ninth, by CPU seconds in place of the clock: over
  all times, and over the times that a person reads as a number ("a few seconds" is none).
- equal: whether the index has the bytes, and 20 questions the answers, of the undisturbed one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.corpora import passages_of, questions
from benchmarks.measure import ONE_THREAD
from benchmarks.report import print_table
from graphagg import kernels
from graphagg.cli.output.console import FEW, TimeLeft
from graphagg.rag import PassageIndex
from graphagg.rag.config.profile import Profile
from graphagg.rag.indexing.engine import MENTIONS
from graphagg.rag.indexing.state import BLOCK, KeptBlocks
from graphagg.rag.models.by_name import encoder_of, extractor_named

Event = tuple[str, float, int, int]
"""Name, CPU seconds, done and total."""


def build(out: Path, log: Path, profile: Profile, count: int, every: int) -> None:
    """Build in this process and log what happens; begins once the models are loaded."""
    passages = list(islice(islice(passages_of("2wiki"), 0, None, every), count))
    encoder, extractor = encoder_of(profile), extractor_named(profile, None, None, 1)
    kernels.SMALL = 0  # load what is compiled before the clock begins
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"encoder": encoder, "extractor": extractor, "chunking": None}
        PassageIndex.build(passages[:4], f"{folder}/idx", profile=profile, **options).close()
    with log.open("a", encoding="utf-8") as file:

        def write(name: str, done: int = 0, total: int = 0) -> None:
            file.write(json.dumps([name, time.process_time(), done, total]) + "\n")
            file.flush()

        note = KeptBlocks.note

        def noted(blocks: KeptBlocks, stage: str, block: int, value: Any) -> None:
            note(blocks, stage, block, value)
            write(stage)

        KeptBlocks.note = noted  # type: ignore[method-assign]
        write("begin")
        PassageIndex.build(passages, out, profile=profile, progress=write, **options).close()
        write("end")


class Run:
    """A build in a process of its own, perhaps stopped.

    Args:
        folder: of the index and the log.
        name: of the log.
        options: profile and number of documents.
        stop: the signal and the CPU seconds after the begin at which it is sent.
    """

    def __init__(
        self, folder: Path, name: str, options: Sequence[str], stop: tuple[int, float] | None = None
    ) -> None:
        log = folder / name
        command = ["-m", "benchmarks.stopped", *options, "--build", str(folder), "--log", str(log)]
        child = subprocess.Popen(
            [sys.executable, *command], env=os.environ | ONE_THREAD, stderr=subprocess.DEVNULL
        )
        self.seconds = 0.0
        begin = None
        while stop is not None and child.poll() is None:
            if begin is None and log.exists():
                begin = next((event[1] for event in _events(log) if event[0] == "begin"), None)
            self.seconds = _cpu(child.pid) - begin if begin is not None else 0.0
            if self.seconds >= stop[1]:
                child.send_signal(stop[0])
                break
            time.sleep(0.005)
        child.wait()
        self.events = _events(log)
        self.begin = self.events[0][1]
        if self.events[-1][0] == "end":
            self.seconds = self.events[-1][1] - self.begin
        blocks, mentions = ([e[1] for e in self.events if e[0] == s] for s in (BLOCK, MENTIONS))
        kept = [self.begin, *blocks, *mentions]
        between = mentions[0] - blocks[-1] if blocks and mentions else 0.0
        self.lost = max(0.0, self.begin + self.seconds - kept[-1]) + between

    def time_left(self, least: float = 0.0) -> float:
        """The largest error, as a share of the truth, of times left of `least` seconds or more."""
        now, left, errors = 0.0, TimeLeft(lambda: now), [0.0]
        reports = [event for event in self.events if event[0] == "indexing"]
        first, end, tenth = reports[0][2] if reports else 0, self.events[-1][1], 1
        for _, now, done, total in reports:
            said = left.seconds("indexing", done, total)
            if said is not None and tenth < 10 and done - first >= tenth * (total - first) / 10:
                if said >= least:
                    errors.append(abs(said - (end - now)) / (end - now))
                tenth = 10 * (done - first) // (total - first) + 1
        return max(errors)


def _events(log: Path) -> list[Event]:
    lines = log.read_text(encoding="utf-8").splitlines()
    return [tuple(json.loads(line)) for line in lines if line.endswith("]")]


def _cpu(process: int) -> float:
    """CPU seconds of another process; 0 where it has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answers(folder: Path) -> tuple[Any, list[Any]]:
    """The manifest of an index, and the answers to 20 questions."""
    asked = [question.text for question in questions("2wiki", "test", 20)]
    with PassageIndex.open(folder / "idx") as index:
        hits = [[(hit.passage.id, hit.score) for hit in index.retrieve(each)] for each in asked]
        return index.manifest, hits


def measure(profile: Profile, count: int, every: int, moments: int, seed: int) -> None:
    """Print the table."""
    options = ["--profile", profile, "--documents", str(count), "--every", str(every)]
    draw = random.Random(seed)
    rows: list[list[Any]] = []
    with tempfile.TemporaryDirectory() as root:
        whole = Run(_folder(root, "whole"), "log", options)
        expected = answers(Path(root, "whole"))
        print(f"undisturbed: {whole.seconds:.1f} CPU s, time left wrong by {whole.time_left():.0%}")
        for i in range(moments):
            kind, share = (signal.SIGINT, signal.SIGKILL)[i % 2], draw.random()
            folder = _folder(root, str(i))
            first = Run(folder, "first", options, (kind, share * whole.seconds))
            second = Run(folder, "second", options)
            both = (first.seconds + second.seconds) / whole.seconds
            rows.append(
                [kind.name, f"{share:.0%}", f"{first.lost / whole.seconds:.1%}", f"{both:.0%}",
                 *(f"{second.time_left(least):.0%}" for least in (0.0, FEW)),
                 answers(folder) == expected]
            )  # fmt: skip
            print(*map(str, rows[-1]), file=sys.stderr, flush=True)
    print_table(
        ["stopped by", "at", "lost", "all", "time left wrong by", "of numbers", "equal"], rows
    )


def _folder(root: str, name: str) -> Path:
    folder = Path(root, name)
    folder.mkdir()
    return folder


def main() -> None:
    """Print the table, or build."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stopped", description=__doc__)
    parser.add_argument("--profile", default="fast")
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--every", type=int, default=6)
    parser.add_argument("--moments", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.build:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        build(chosen.build / "idx", chosen.log, chosen.profile, chosen.documents, chosen.every)
    else:
        measure(chosen.profile, chosen.documents, chosen.every, chosen.moments, chosen.seed)


if __name__ == "__main__":
    main()
