"""The commands of `graphagg communities shell`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from rich.markup import escape
from rich.table import Table

from graphagg.cli.shell.session import Parts, Session, expect_count, expect_one
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
        size: number of members to show.
    """

    seeds: tuple[VertexId, ...] = ()
    method: Method = "fused"
    size: int = FIRST


class CommunityShell(Session[View]):
    """Explores the communities of an index.

    Args:
        index: the index.
        seeds: first seeds, as `seed` takes them.
        method: first method.
    """

    ALIASES: ClassVar = {"k": "top"}
    FILES = ("draw", "save")
    USAGE: ClassVar = {
        "seed": "VERTEX...", "drop": "VERTEX...", "more": "[N]", "top": "N", "method": "[NAME]",
        "why": "VERTEX", "draw": "[FILE]", "save": "FILE",
    }  # fmt: skip

    def __init__(
        self, index: CommunityIndex, seeds: Sequence[str] = (), method: str = "fused"
    ) -> None:
        self._index = index
        self._vertices = Vertices(index.opened)
        self.answer = lru_cache(_KEPT)(self._answer)
        first = dict.fromkeys(index.vertices[index.find(seed)] for seed in seeds)
        super().__init__(View(tuple(first), check_method(method)))

    def _answer(self, view: View) -> Community:
        if not view.seeds:
            raise InvalidSeeds("there are no seeds yet; add one: seed VERTEX")
        return self._index.query(view.seeds, view.size, method=view.method)

    def prepare(self) -> None:
        """Load the compiled kernels, by a query of any vertex that has a neighbor."""
        with suppress(InvalidSeeds):  # the first vertex may have none
            self._answer(View(tuple(self._index.vertices[:1])))

    def show(self, view: View, after: int = 0) -> Parts:
        """The members beyond the first `after`."""
        if not view.seeds:
            return ("no seeds; add one: seed VERTEX",)
        return _listed(self.answer(view), after)

    # --- changing --------------------------------------------------------------------------------

    def do_seed(self, words: Sequence[str]) -> Parts:
        """Add seeds; #3 is the third member."""
        if not words:
            raise InvalidSeeds("nothing is given, wanted a vertex; Tab completes its name")
        added = [self._vertex(word) for word in words]
        return self.go(replace(self.view, seeds=tuple(dict.fromkeys([*self.view.seeds, *added]))))

    def do_drop(self, words: Sequence[str]) -> Parts:
        """Remove seeds."""
        if not words:
            raise InvalidSeeds("nothing is given, wanted a seed; Tab lists them")
        gone = [self._vertex(word) for word in words]
        for vertex in gone:
            if vertex not in self.view.seeds:
                names = ", ".join(map(str, self.view.seeds)) or "none"
                raise InvalidSeeds(f"{vertex!r} is no seed; the seeds are: {names}")
        left = tuple(seed for seed in self.view.seeds if seed not in gone)
        return self.go(replace(self.view, seeds=left))

    def do_more(self, words: Sequence[str]) -> Parts:
        """Show N more members, 10 without N."""
        count = expect_count(words, "the number of further members", FIRST, 1_000)
        before = self.answer(self.view).members
        wider = replace(self.view, size=self.view.size + count)
        after = self.answer(wider).members
        if len(after) <= len(before):
            return (f"these {len(before):,} members are all there are",)
        same = [m.id for m in after[: len(before)]] == [m.id for m in before]
        return self.go(wider, self.show(wider, len(before) if same else 0))

    def do_top(self, words: Sequence[str]) -> Parts:
        """Show N members; k is the same."""
        size = expect_count(words, "the number of members", None, _FAR)
        return self.go(replace(self.view, size=size))

    def do_method(self, words: Sequence[str]) -> Parts:
        """Rank by another method, or name the methods."""
        if not words:
            return (f"method {self.view.method}, one of {', '.join(METHODS)}",)
        return self.go(replace(self.view, method=check_method(expect_one(words, "a method"))))

    # --- looking ---------------------------------------------------------------------------------

    def do_why(self, words: Sequence[str]) -> Parts:
        """Explain why it is, or is not, a member; #3 is the third."""
        word = expect_one(words, "a vertex")
        community, view = self.answer(self.view), self.view
        vertex = self._vertex(word)
        if vertex in community.seeds:
            return (f"{vertex} is a seed",)
        wide = replace(view, size=max(_FAR, view.size))
        for asked, note in ((view, ()), (wide, (f"asked for {wide.size:,} members:",))):
            answer = self.answer(asked)
            for rank, member in enumerate(answer.members, 1):
                if member.id == vertex:
                    return (*note, *_reasons(member, rank, answer))
        return (f"{vertex} is not among the first {wide.size:,} members by {wide.method}",)

    def do_draw(self, words: Sequence[str]) -> Parts:
        """List the sub-communities; with a file .png or .svg draw them."""
        structure = self.answer(self.view).structure()
        if not words:
            listed = enumerate(structure.communities(), 1)
            return [f"{rank}: {' '.join(map(str, members))}" for rank, members in listed]
        target = expect_one(words, "a file")
        names = ", ".join(str(seed) for seed in self.view.seeds[:5])
        structure.draw(Path(target).expanduser(), title=f"Community of {names}")
        return (f"wrote {target}",)

    def do_save(self, words: Sequence[str]) -> Parts:
        """Write members (.csv, .parquet, .json) or their graph (.graphml, .gexf)."""
        target = expect_one(words, "a file")
        self.answer(self.view).save(Path(target).expanduser())
        return (f"wrote {target}",)

    # --- words -----------------------------------------------------------------------------------

    def _vertex(self, word: str) -> VertexId:
        """The vertex of a name, or of a rank such as #3 where no vertex has that name."""
        row = self._index.vertices.find(word)
        if row is None and word[:1] == "#" and word[1:].isascii() and word[1:].isdigit():
            members = self.answer(self.view).members
            rank = expect_count([word[1:]], "the rank of a member", None, len(members))
            return members[rank - 1].id
        return self._index.vertices[self._index.find(word) if row is None else row]

    def args_seed(self, prefix: str) -> list[str]:
        """Complete a vertex."""
        if not prefix:
            return self.args_why(prefix)
        return [str(v.id) for v in self._vertices.starting_with(prefix, _OFFERED).vertices]

    def args_drop(self, prefix: str) -> list[str]:
        """Complete a seed."""
        return [str(seed) for seed in self.view.seeds]

    def args_why(self, prefix: str) -> list[str]:
        """Complete a member, or any vertex where no member fits."""
        if not self.view.seeds:
            return []
        names = [str(member.id) for member in self.answer(self.view).members]
        matches = [name for name in names if name.startswith(prefix)]
        return matches if matches or not prefix else self.args_seed(prefix)

    def args_method(self, prefix: str) -> list[str]:
        """Complete a method."""
        return list(METHODS)


def _listed(community: Community, after: int) -> Parts:
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


def _reasons(member: Member, rank: int, community: Community) -> Parts:
    scores = ", ".join(f"{name} {value:.4g}" for name, value in member.scores.items())
    first = f"{member.id}: #{rank} by {community.method}, score {member.score:.4g}"
    lines = [f"{first} ({scores})" if scores else first]
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
