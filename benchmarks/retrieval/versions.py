"""Versions of documents: a generated share of 200 families, and 600 questions about them.

    python -m benchmarks.retrieval.versions [--half tune|test] [--profile fast] [--versions all]

Each family is a policy, price list, manual or minutes in 2 to 6 versions. Its date is in the name,
the folder, front matter, the title, the text, or only in the modification time; numbers and some
clauses change between versions. There are also decoys: the same rules for another town, numbered
forms that differ only in a number, and the same name in the folder of another project. Questions
ask for the rule now, in a year, at two times, or name no time. The table counts answers in which
the right version (for two times: both) is ranked before other versions of its document; in
parentheses, answers in which it is the first hit. It also prints precision and recall of pairs of
documents in one family. Constants are chosen on the half `tune` and reported on `test`.
"""

from __future__ import annotations

import os
import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Literal

from benchmarks.report import parser_of, print_table
from graphagg.rag import PassageIndex, read_documents

FAMILIES, QUESTIONS = 100, 300  # per half
KINDS = ("policy", "price-list", "manual", "minutes")
THINGS = (
    "parking travel laptop visitor training canteen telephone bicycle printer archive holiday "
    "security garden storage delivery recycling library camera heating projector courier uniform "
    "workshop meeting locker"
).split()
TOWNS = ("oslo", "bergen", "graz", "porto", "ghent", "turku")
DATES = ("name", "folder", "front matter", "title", "text", "version", "changed")
CLAUSES = (
    "The {thing} fee for staff is {n} euros a month, to be paid in advance.",
    "A request for {thing} must reach the office {n} days before the start.",
    "Guests may use the {thing} service for {n} hours without a permit.",
    "The deposit for {thing} equipment is {n} euros and is returned at the end.",
    "Every team names {n} persons who answer for {thing} matters.",
    "The desk for {thing} opens at {n} minutes past eight on working days.",
    "Records about {thing} are kept for {n} years in the cellar.",
    "A lost key for {thing} costs {n} euros per case.",
    "The yearly budget for {thing} is {n} thousand euros.",
    "Damage in {thing} use is reported within {n} hours to the manager.",
)
ASKED = (
    "What is the {thing} fee for staff",
    "How many days before must a {thing} request reach the office",
    "For how many hours may guests use the {thing} service",
    "How high is the deposit for {thing} equipment",
    "How many persons does a team name for {thing} matters",
    "When does the desk for {thing} open",
    "How long are records about {thing} kept",
    "What does a lost key for {thing} cost",
    "What is the yearly budget for {thing}",
    "Within how many hours is damage in {thing} use reported",
)
EXTRA = (
    "Exceptions need the written consent of the head of the unit.",
    "The works council agreed to these rules.",
    "Questions go to the service desk on the ground floor.",
    "A summary hangs at the entrance of each building.",
    "Trainees and temporary staff are treated alike.",
    "The rules are explained to new colleagues in their first week.",
)
NOW = ("{q} now?", "{q} at present?", "Current rule: {q}?", "{q}, by the latest version?")
Kind = Literal["now", "year", "change", "none"]
ASKED_FOR: tuple[Kind, ...] = ("now", "year", "change", "none")


@dataclass
class Share:
    """A generated folder.

    Attributes:
        family: number of the family by path; each decoy has its own number.
        questions: kind, place of the date, text, and the right documents in order.
    """

    family: dict[str, int] = field(default_factory=dict)
    questions: list[tuple[Kind, str, str, tuple[str, ...]]] = field(default_factory=list)


def write_share(folder: Path, half: Literal["tune", "test"]) -> Share:
    """Write one half of the families, with decoys, and create questions."""
    rng, share = random.Random(f"versions {half}"), Share()
    pairs = [(kind, thing) for thing in THINGS for kind in KINDS]
    for number, (kind, thing) in enumerate(pairs[:FAMILIES]):
        place = DATES[number % len(DATES)]
        years = sorted(rng.sample(range(2016, 2026), rng.randint(2, 6)))
        town = rng.choice(TOWNS)
        paths, texts = [], []
        clauses = rng.sample(range(len(CLAUSES)), 7)
        extra = rng.sample(EXTRA, 4)
        for version, year in enumerate(years, start=1):
            extra[rng.randrange(4)] = rng.choice(EXTRA)
            lines = [CLAUSES[c].format(thing=thing, n=rng.randint(2, 90)) for c in clauses] + extra
            path = _write(folder, place, kind, thing, town, year, version, lines)
            share.family[path] = number
            paths.append(path)
            texts.append(lines)
        _decoys(folder, share, rng, number, (kind, thing, town), years[-1], texts[-1])
        about = f"By the {thing} {kind} of {town.title()}, "
        chosen = rng.sample(clauses, 3)
        asked = [about + ASKED[c].format(thing=thing).lower() for c in chosen]
        share.questions += _questions(rng, number, place, asked, years, paths)
    return share


def _write(
    folder: Path, place: str, kind: str, thing: str, town: str, year: int, version: int,
    lines: Sequence[str],
) -> str:  # fmt: skip
    month = 1 + version
    title, name, front, first = f"{thing.title()} {kind}, {town}", f"{thing}-{kind}-{town}", "", ""
    path = f"{town}/{name}-v{version}.md"
    if place == "name":
        path = f"{town}/{name}-{year}-{month:02}.md"
    elif place == "folder":
        path = f"{town}/{year}/{name}.md"
    elif place == "front matter":
        front = f"---\ndate: {year}-{month:02}-01\n---\n"
    elif place == "title":
        path, title = f"{town}/{hash_name(name, version)}.md", f"{title} {year}"
    elif place == "text":
        first = f"Valid from 1 {datetime(year, month, 1):%B} {year}.\n\n"
    elif place == "version":
        path = f"{town}/{name} v{version}{' final' * (version % 2)}.md"
    else:
        path = f"{town}/{name} ({version}).md"
    text = f"{front}# {title}\n\n{first}" + "\n\n".join(lines) + "\n"
    changed = datetime(year, month, 1, tzinfo=UTC).timestamp()
    if place not in ("changed", "version"):
        changed = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    put(folder / path, text, changed)
    return path


def hash_name(name: str, version: int) -> str:
    """Return a meaningless file name, as from a scanner."""
    letters = random.Random(f"{name} {version}").sample("abcdefghijklmnop", 8)
    return f"scan-{''.join(letters)}"


def put(path: Path, text: str, changed: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (changed, changed))


def _decoys(
    folder: Path, share: Share, rng: random.Random, number: int, about: tuple[str, str, str],
    year: int, lines: Sequence[str],
) -> None:  # fmt: skip
    """Write a decoy of one of three kinds: a near-duplicate of the newest version."""
    kind, thing, town = about
    other = rng.choice([each for each in TOWNS if each != town])
    path = (
        f"{town}/{thing}-{kind}-{other}-{year - 1}.md",  # another town
        f"{town}/{thing}-{kind}-form-{rng.randint(1000, 1899)}.md",  # a numbered form
        f"project-{thing}/{thing}-{kind}-{town}-{year - 1}.md",  # another folder
    )[number % 3]
    changed = [
        CLAUSES[i].format(thing=f"{other} {thing}", n=rng.randint(2, 90))
        if number % 3 == 0 and i < len(CLAUSES) and rng.random() < 0.2
        else line
        for i, line in enumerate(lines)
    ]
    scope = (other, f"form {path[-7:-3]}", "project")[number % 3]
    put(folder / path, f"# {thing.title()} {kind}, {scope}\n\n" + "\n\n".join(changed), 1.7e9)
    share.family[path] = 1000 + number


def _questions(
    rng: random.Random, number: int, place: str, asked: Sequence[str], years: Sequence[int],
    paths: Sequence[str],
) -> Iterator[tuple[Kind, str, str, tuple[str, ...]]]:  # fmt: skip
    """Yield three questions of different kinds, with the right documents."""
    for i, text in enumerate(asked):
        kind = ASKED_FOR[(number + i) % 4]
        at = rng.randrange(len(years))
        year = rng.choice(range(years[at], (years[at + 1] if at + 1 < len(years) else 2027)))
        if kind == "now":
            yield kind, place, rng.choice(NOW).format(q=text), paths[-1:]
        elif kind == "year":
            yield kind, place, f"{text} in {year}?", (paths[at],)
        elif kind == "change":
            first, last = sorted(rng.sample(range(len(years)), 2))
            changes = f"{text}: what changed between {years[first]} and {years[last]}?"
            yield kind, place, changes, (paths[first], paths[last])
        else:
            yield kind, place, f"{text}?", paths[-1:]


def pairs_of(families: Sequence[Sequence[str]]) -> set[frozenset[str]]:
    return {frozenset(pair) for family in families for pair in combinations(family, 2)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--half", choices=("tune", "test"), default="test")
    parser.add_argument("--profile", default="fast")
    parser.add_argument("--versions", choices=("auto", "all"), default="auto")
    parser.add_argument("--show", action="store_true", help="print wrong answers")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "share")
        share = write_share(folder, options.half)
        index = PassageIndex.build(read_documents(folder), Path(name, "i"), profile=options.profile)
        found = pairs_of([[v.document for v in family] for family in index.versions()])
        by_family: dict[int, list[str]] = {}
        for path, number in share.family.items():
            by_family.setdefault(number, []).append(path)
        true = pairs_of(list(by_family.values()))
        both = len(found & true)
        print(f"pairs: precision {both / max(len(found), 1):.3f}, recall {both / len(true):.3f}")
        right, top, total = (Counter[tuple[str, str]]() for _ in range(3))
        for kind, place, text, gold in share.questions:
            hits = index.retrieve(text, k=5, versions=options.versions)
            names = [hit.passage.document or hit.passage.id for hit in hits]
            own = [n for n in names if share.family[n] == share.family[gold[0]]]
            first, of_family = {*names[: len(gold)]}, {*own[: len(gold)]}
            for key in ((kind, place), (kind, "all")):
                total[key] += 1
                right[key] += of_family == {*gold}
                top[key] += first == {*gold}
            if options.show and of_family != {*gold}:
                print(kind, place, text, gold, [hit.passage.id for hit in hits])
        rows = []
        for place in (*DATES, "all"):
            keys = [(kind, place) for kind in ASKED_FOR]
            rows.append([place, *(f"{right[k]} of {total[k]} ({top[k]})" for k in keys)])
        print_table(["date in", "now", "in a year", "two times", "no time"], rows)
        index.close()


if __name__ == "__main__":
    main()
