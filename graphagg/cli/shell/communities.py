"""The commands of `graphagg communities shell`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from graphagg.cli.shell.commands import (
    Candidates,
    Command,
    Outcome,
    expect_count,
    expect_one,
)
from graphagg.cli.shell.history import History
from graphagg.cli.shell.interpreter import CommandInterpreter
from graphagg.communities import Community, CommunityIndex, Member
from graphagg.communities.config import METHODS, Method, check_method
from graphagg.communities.vertices import Vertices
from graphagg.errors import InvalidSeeds
from graphagg.graph.ids import VertexId

FIRST = 10
"""Members that are shown at first, and that `more` adds."""

_FAR = 1_000  # the rank up to which `why` looks for a vertex
_OFFERED = 20  # vertices that complete a prefix
_KEPT = 64  # answers that are kept, so that undo is free


@dataclass(frozen=True)
class View:
    """The state of a session.

    Attributes:
        seeds: the vertices asked for, in the order in which they were added.
        method: how members are ranked.
        size: how many are shown.
    """

    seeds: tuple[VertexId, ...] = ()
    method: Method = "fused"
    size: int = FIRST


Session = History[View]
Shown = Outcome[View]


class CommunityShell(CommandInterpreter[View]):
    """Explores the communities of an index.

    Args:
        index: the index.
        seeds: what a session begins with, as `seed` takes them.
        method: likewise.
    """

    def __init__(
        self, index: CommunityIndex, seeds: Sequence[str] = (), method: str = "fused"
    ) -> None:
        self._index = index
        self._vertices = Vertices(index.opened)
        self.answer = lru_cache(_KEPT)(self._answer)
        known = dict.fromkeys(index.vertices[index.find(seed)] for seed in seeds)
        super().__init__(
            View(tuple(known), check_method(method)),
            {
                "seed": Command(
                    "VERTEX...", "add seeds; #3 is the third member", self.seed, self._any_vertex
                ),
                "drop": Command("VERTEX...", "remove seeds", self.drop, self._a_seed),
                "more": Command("[N]", f"show N more members ({FIRST})", self.more),
                "top": Command("N", "show N members", self.top),
                "method": Command(
                    "[NAME]", "rank by " + ", ".join(METHODS), self.method, _a_method
                ),
                "why": Command(
                    "VERTEX", "why it is a member; #3 is the third", self.why, self._a_member
                ),
                "draw": Command(
                    "[FILE]", "list the sub-communities; with .png or .svg draw them", self.draw,
                    files=True,
                ),
                "save": Command(
                    "FILE", "write members (.csv, .parquet, .json) or the graph (.graphml, .gexf)",
                    self.save, files=True,
                ),
            },
            self.show,
        )  # fmt: skip

    def _answer(self, view: View) -> Community:
        return self._index.query(view.seeds, view.size, method=view.method)

    def _current(self, history: Session) -> Community:
        if not history.now.seeds:
            raise InvalidSeeds("there are no seeds yet; add one: seed VERTEX")
        return self.answer(history.now)

    def status(self, view: View) -> str:
        """Seeds, method and size."""
        names = ", ".join(str(seed) for seed in view.seeds[:5]) or "none"
        more = f" and {len(view.seeds) - 5} more" if len(view.seeds) > 5 else ""
        return f"seeds: {names}{more} | method: {view.method} | members: {view.size}"

    def prepare(self) -> None:
        """Load the compiled kernels, by a query of any vertex that has a neighbor."""
        with suppress(InvalidSeeds):  # the first vertex may have none
            self._answer(View(tuple(self._index.vertices[:1])))

    # --- changing --------------------------------------------------------------------------------

    def show(self, history: Session, after: int = 0) -> Shown:
        """The members beyond the first `after`."""
        if not history.now.seeds:
            return Outcome(history, ("no seeds; add one: seed VERTEX",))
        return Outcome(history, _listed(self.answer(history.now), after))

    def seed(self, history: Session, words: Sequence[str]) -> Shown:
        """Add seeds."""
        if not words:
            raise InvalidSeeds("nothing is given, wanted a vertex; Tab completes its name")
        added = [self._vertex(history, word) for word in words]
        seeds = tuple(dict.fromkeys([*history.now.seeds, *added]))
        return self.show(history.to(replace(history.now, seeds=seeds)))

    def drop(self, history: Session, words: Sequence[str]) -> Shown:
        """Remove seeds."""
        if not words:
            raise InvalidSeeds("nothing is given, wanted a seed; Tab lists them")
        gone = [self._vertex(history, word) for word in words]
        for vertex in gone:
            if vertex not in history.now.seeds:
                names = ", ".join(map(str, history.now.seeds)) or "none"
                raise InvalidSeeds(f"{vertex!r} is no seed; the seeds are: {names}")
        left = tuple(seed for seed in history.now.seeds if seed not in gone)
        return self.show(history.to(replace(history.now, seeds=left)))

    def more(self, history: Session, words: Sequence[str]) -> Shown:
        """Show more members."""
        count = expect_count(words, "how many more", FIRST, 1_000)
        before = self._current(history).members
        wider = history.to(replace(history.now, size=history.now.size + count))
        after = self.answer(wider.now).members
        if len(after) <= len(before):
            return Outcome(history, (f"these {len(before):,} members are all there are",))
        known = [m.id for m in after[: len(before)]] == [m.id for m in before]
        return self.show(wider, len(before) if known else 0)

    def top(self, history: Session, words: Sequence[str]) -> Shown:
        """Show another number of members."""
        size = expect_count(words, "how many members", None, _FAR)
        return self.show(history.to(replace(history.now, size=size)))

    def method(self, history: Session, words: Sequence[str]) -> Shown:
        """Rank by another method."""
        if not words:
            return Outcome(history, (f"method {history.now.method}, one of {', '.join(METHODS)}",))
        name = check_method(expect_one(words, "a method"))
        return self.show(history.to(replace(history.now, method=name)))

    # --- looking ---------------------------------------------------------------------------------

    def why(self, history: Session, words: Sequence[str]) -> Shown:
        """Why a vertex is, or is not, a member."""
        word = expect_one(words, "a vertex")
        community = self._current(history)
        vertex = self._vertex(history, word)
        if vertex in community.seeds:
            return Outcome(history, (f"{vertex} is a seed",))
        wide = replace(history.now, size=max(_FAR, history.now.size))
        for view, note in ((history.now, ()), (wide, (f"asked for {wide.size:,} members:",))):
            answer = self.answer(view)
            for rank, member in enumerate(answer.members, 1):
                if member.id == vertex:
                    return Outcome(history, (*note, *_reasons(member, rank, answer)))
        line = f"{vertex} is not among the first {wide.size:,} members by {wide.method}"
        return Outcome(history, (line,))

    def draw(self, history: Session, words: Sequence[str]) -> Shown:
        """List the sub-communities, or draw them into a file."""
        structure = self._current(history).structure()
        if not words:
            parts = enumerate(structure.communities(), 1)
            lines = (f"{number}: {' '.join(map(str, part))}" for number, part in parts)
            return Outcome(history, tuple(lines))
        target = expect_one(words, "a file")
        names = ", ".join(str(seed) for seed in history.now.seeds[:5])
        structure.draw(Path(target).expanduser(), title=f"Community of {names}")
        return Outcome(history, (f"wrote {target}",))

    def save(self, history: Session, words: Sequence[str]) -> Shown:
        """Write the members, or their graph."""
        target = expect_one(words, "a file")
        self._current(history).save(Path(target).expanduser())
        return Outcome(history, (f"wrote {target}",))

    # --- words -----------------------------------------------------------------------------------

    def _vertex(self, history: Session, word: str) -> VertexId:
        """The vertex of a name, or of a rank such as #3 where no vertex is called so."""
        number = self._index.vertices.find(word)
        if number is None and word[:1] == "#" and word[1:].isascii() and word[1:].isdigit():
            members = self._current(history).members
            rank = expect_count([word[1:]], "the rank of a member", None, len(members))
            return members[rank - 1].id
        return self._index.vertices[self._index.find(word) if number is None else number]

    def _any_vertex(self, history: Session, prefix: str) -> Candidates:
        if not prefix:
            return self._a_member(history, prefix)
        listing = self._vertices.starting_with(prefix, _OFFERED)
        return [(str(each.id), f"degree {each.degree:,}") for each in listing.vertices]

    def _a_seed(self, history: Session, prefix: str) -> Candidates:
        names = [str(seed) for seed in history.now.seeds]
        return [(name, "seed") for name in names if name.startswith(prefix)]

    def _a_member(self, history: Session, prefix: str) -> Candidates:
        if not history.now.seeds:
            return ()
        members = enumerate(self.answer(history.now).members, 1)
        named = [(str(member.id), f"#{rank}") for rank, member in members]
        matches = [each for each in named if each[0].startswith(prefix)]
        return matches or self._any_vertex(history, prefix) if prefix else matches


def _a_method(history: Session, prefix: str) -> Candidates:
    return [(name, "") for name in METHODS if name.startswith(prefix)]


def _listed(community: Community, after: int) -> tuple[RenderableType, ...]:
    table = Table(box=None, pad_edge=False)
    for name in ("#", "vertex", "score", "why"):
        table.add_column(name, justify="right" if name in ("#", "score") else "left")
    for rank, member in enumerate(community.members[after:], after + 1):
        cells = (f"{member.score:.4g}", escape(member.explain()))
        table.add_row(str(rank), escape(str(member.id)), *cells)
    seeds = ", ".join(str(seed) for seed in community.seeds)
    about = f"seeds {seeds}; method {community.method}, plan {community.plan}"
    if not community.members:
        return ("no members", about)
    return (table, about, *(f"note: {note}" for note in community.notes))


def _reasons(member: Member, rank: int, community: Community) -> tuple[RenderableType, ...]:
    parts = ", ".join(f"{name} {value:.4g}" for name, value in member.scores.items())
    first = f"{member.id}: #{rank} by {community.method}, score {member.score:.4g}"
    lines = [f"{first} ({parts})" if parts else first]
    if not member.reason:
        return (*lines, "it shares no neighbor with a seed: it is reached through others")
    table = Table(box=None, pad_edge=False)
    for name in ("seed", "shared", "adjacent", "for instance"):
        table.add_column(name, justify="right" if name == "shared" else "left")
    for shared in member.reason:
        count = "many" if shared.count is None else f"{shared.count:,}"
        examples = ", ".join(str(each) for each in shared.examples)
        table.add_row(
            escape(str(shared.seed)), count, "yes" if shared.adjacent else "no", escape(examples)
        )
    return (*lines, table)
