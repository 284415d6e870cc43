from __future__ import annotations

import csv
import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.cli.shell.communities import CommunityShell, View
from graphagg.communities import CommunityIndex
from graphagg.communities.config import METHODS
from graphagg.errors import GraphAggError, InvalidParameter, InvalidSeeds, UnknownVertex
from graphagg.graph import bundled_graph
from tests.unit.shell.talk import fresh, talk, text_of

NAMES = sorted(bundled_graph("les_miserables").nodes)

lines = st.one_of(
    st.builds("seed {}".format, st.sampled_from(NAMES)),
    st.builds("drop {}".format, st.sampled_from(NAMES)),
    st.builds("more {}".format, st.integers(0, 30)),
    st.builds("top {}".format, st.integers(0, 30)),
    st.builds("method {}".format, st.sampled_from([*METHODS, "luck"])),
    st.builds("why {}".format, st.sampled_from(NAMES)),
    st.sampled_from(["undo", "undo", "draw", "help", "", "more", "seed #1", "nonsense", 'seed "']),
    st.text(max_size=20),
)


def test_seeds_are_answered_as_the_library_answers(shell: CommunityShell) -> None:
    outcome = talk(shell, "seed Enjolras Gavroche")
    assert outcome.view == View(("Enjolras", "Gavroche"))
    found = shell.answer(outcome.view)
    shown = text_of(outcome)
    for rank, member in enumerate(found.members, 1):
        assert any(
            line.split()[:2] == [str(rank), str(member.id)] and member.explain() in line
            for line in shown.splitlines()
        )
    assert "method fused, plan push" in shown


@settings(max_examples=60, deadline=None)
@given(st.lists(lines, max_size=12))
def test_undo_is_the_way_back(shell: CommunityShell, typed: list[str]) -> None:
    """Against a plain stack of views: errors and looking change nothing, undo pops."""
    session, stack = fresh(shell), [shell.view]
    for line in typed:
        before = session.view
        with suppress(GraphAggError):
            session.run(line)
        if line.split()[:1] == ["undo"] and len(stack) > 1:
            stack.pop()
        elif session.view != before:
            stack.append(session.view)
        assert [*session.past, session.view] == stack
        assert all(a != b for a, b in pairwise(stack))
    while session.past:
        session.run("undo")
    assert session.view == shell.view
    with pytest.raises(InvalidParameter, match="nothing to undo"):
        session.run("undo")


@pytest.mark.parametrize("line", ["seed nobody", "more 0", "method luck", "drop Javert", 'seed "'])
def test_a_mistake_changes_nothing(shell: CommunityShell, line: str) -> None:
    session = talk(shell, "seed Valjean").session
    with pytest.raises(GraphAggError):
        session.run(line)
    assert (session.view, len(session.past)) == (View(("Valjean",)), 1)


def test_seeds_by_rank_and_without_repeats(shell: CommunityShell) -> None:
    first = shell.answer(View(("Enjolras",))).members[0].id
    outcome = talk(shell, "seed Enjolras Enjolras", "seed #1", "seed Enjolras")
    assert outcome.view.seeds == ("Enjolras", first)
    assert len(outcome.session.past) == 2
    assert talk(shell, "seed Enjolras", "seed #1", "drop Enjolras").view.seeds == (first,)


def test_more_shows_only_what_is_new_where_the_first_stay(shell: CommunityShell) -> None:
    outcome = talk(shell, "method jaccard", "seed Valjean", "more 5")
    ranks = [line.split()[0] for line in text_of(outcome).splitlines()]
    assert ranks == ["#", "11", "12", "13", "14", "15", "seeds"]
    assert outcome.view.size == 15
    everything = talk(shell, "seed Valjean", "more 1000", "more")
    assert everything.view.size == 1010 and "all there are" in text_of(everything)


def test_top_shows_so_many_members(shell: CommunityShell) -> None:
    outcome = talk(shell, "seed Valjean", "top 3")
    assert outcome.view.size == len(shell.answer(outcome.view).members) == 3
    assert talk(shell, "seed Valjean", "top 3", "more 2").view.size == 5
    with pytest.raises(InvalidParameter, match="a number from 1 to 1,000"):
        talk(shell, "seed Valjean", "top 0")


def test_why_of_members_seeds_and_others(shell: CommunityShell) -> None:
    view = View(("Enjolras", "Gavroche"))
    member = shell.answer(view).members[1]
    shown = text_of(talk(shell, "seed Enjolras Gavroche", "why #2"))
    assert f"{member.id}: #2 by fused" in shown
    for shared in member.reason:
        assert f"{shared.count}" in shown and ", ".join(map(str, shared.examples)) in shown
    assert text_of(talk(shell, "seed Enjolras", "why Enjolras")) == "Enjolras is a seed\n"
    far = text_of(talk(shell, "method jaccard", "seed Napoleon", "why Gavroche"))
    assert "is not among the first 1,000 members by jaccard" in far
    beyond = text_of(talk(shell, "method jaccard", "seed Valjean", "why Fantine"))
    assert "asked for 1,000 members:" in beyond


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("seed", InvalidSeeds, "wanted a vertex"),
        ("seed Valjaen", UnknownVertex, "the closest ids are 'Valjean'"),
        ("seed #99", InvalidParameter, "a number from 1 to 10"),
        ("drop Javert", InvalidSeeds, "'Javert' is no seed; the seeds are: Valjean"),
        ("more many", InvalidParameter, "a number from 1 to 1,000"),
        ("more 0", InvalidParameter, "a number from 1 to 1,000"),
        ("more 1 2", InvalidParameter, "2 words are given"),
        ("method luck", InvalidParameter, "wanted one of minhash, jaccard"),
        ("metod pagerank", InvalidParameter, "did you mean 'method'"),
        ("why", InvalidParameter, "nothing is given, wanted a vertex"),
        ("draw picture.gif", InvalidParameter, ".png or .svg"),
        ("save members.xls", InvalidParameter, "wanted one of .csv, .parquet, .json, .graphml"),
        ("save nowhere/members.csv", GraphAggError, "check the folder"),
        ('seed "Valjean', InvalidParameter, "not closed"),
        ("help luck", InvalidParameter, "'luck' is no command"),
    ],
)
def test_mistakes_are_named(
    shell: CommunityShell, line: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message.replace("(", r"\(")):
        talk(shell, "seed Valjean", line)


@pytest.mark.parametrize("line", ["more", "why Valjean", "draw", "save x.csv", "seed #1"])
def test_without_seeds_it_says_how_to_begin(shell: CommunityShell, line: str) -> None:
    with pytest.raises(InvalidSeeds, match="add one: seed VERTEX"):
        talk(shell, line)
    assert text_of(talk(shell, "")) == "no seeds; add one: seed VERTEX\n"
    assert talk(shell, "seed Valjean", "drop Valjean").view.seeds == ()


def test_what_is_saved_is_what_the_library_gives(shell: CommunityShell, tmp_path: Path) -> None:
    found = shell.answer(View(("Valjean",)))
    for name in ("a b.csv", "c.json", "d.graphml", "e.png", "f.svg"):
        command = "draw" if name[-3:] in ("png", "svg") else "save"
        shown = text_of(talk(shell, "seed Valjean", f'{command} "{tmp_path / name}"'))
        assert shown == f"wrote {tmp_path / name}\n"
    rows = list(csv.DictReader((tmp_path / "a b.csv").open(encoding="utf-8")))
    assert [(row["vertex"], float(row["score"])) for row in rows] == [
        (member.id, member.score) for member in found.members
    ]
    assert json.loads((tmp_path / "c.json").read_text()) == json.loads(json.dumps(found.to_json()))
    read = nx.read_graphml(tmp_path / "d.graphml")
    assert nx.utils.graphs_equal(nx.Graph(read.edges), nx.Graph(found.to_networkx().edges))
    assert (tmp_path / "e.png").read_bytes()[:4] == b"\x89PNG"
    assert sorted(path.name for path in tmp_path.iterdir())[0] == "a b.csv"  # nothing is left over


def test_sub_communities_part_what_is_shown(shell: CommunityShell) -> None:
    shown = text_of(talk(shell, "seed Enjolras Valjean", "more 20", "draw"))
    parts = [line.partition(": ")[2].split() for line in shown.splitlines()]
    found = shell.answer(View(("Enjolras", "Valjean"), size=30))
    assert sorted(name for part in parts for name in part) == sorted(
        [*found.seeds, *(member.id for member in found.members)]
    )


def test_help_lists_every_command_and_describes_one(shell: CommunityShell) -> None:
    shown = text_of(talk(shell, "help"))
    for name, summary in shell.commands().items():
        usage = f"{name} {shell.USAGE.get(name, '')}".strip()
        assert usage in shown and summary in shown
    assert "seed VERTEX..." in text_of(talk(shell, "help seed"))
    assert talk(shell, "quit").session.left


# --- completion ----------------------------------------------------------------------------------


def offered(shell: CommunityShell, line: str, *before: str) -> list[str]:
    start, found = talk(shell, *before).session.complete(line)
    return [line[:start] + text for text in found]


def test_commands_complete(shell: CommunityShell) -> None:
    assert offered(shell, "") == list(shell.commands())
    assert offered(shell, " s") == [" seed", " save"]
    assert offered(shell, "xyz") == offered(shell, "xyz abc") == []


def test_vertices_complete_by_prefix_the_best_known_first(shell: CommunityShell) -> None:
    found = offered(shell, "seed Mme")
    assert {text.split()[1] for text in found} == {n for n in NAMES if n.startswith("Mme")}
    assert offered(shell, "seed Enjolras va") == ["seed Enjolras Valjean"]
    assert offered(shell, "seed ") == []  # no seeds, so nothing to go by
    assert offered(shell, "drop ", "seed Valjean Javert") == ["drop Valjean", "drop Javert"]
    assert offered(shell, "method p") == ["method pagerank"]


def test_members_complete_first_after_why(shell: CommunityShell) -> None:
    members = [str(member.id) for member in shell.answer(View(("Enjolras",))).members]
    assert offered(shell, "why ", "seed Enjolras") == [f"why {name}" for name in members]
    assert offered(shell, "why Valj", "seed Napoleon") == ["why Valjean"]


def test_names_with_spaces_are_completed_in_quotes(tmp_path: Path) -> None:
    edges = [("Ann Lee", "Bob"), ("Ann Lee", 'Cy "C" Dee'), ("Bob", "Ann May")]
    with CommunityIndex.build(edges, tmp_path / "comm") as index:
        shell = CommunityShell(index)
        assert offered(shell, "seed Ann") == ['seed "Ann Lee"', 'seed "Ann May"']
        assert offered(shell, "seed 'Ann L") == ["seed 'Ann Lee'"]
        assert offered(shell, "seed Cy") == [r'seed "Cy \"C\" Dee"']
        for line in (*offered(shell, "seed Ann"), *offered(shell, "seed Cy")):
            assert len(talk(shell, line).view.seeds) == 1


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, 10_000), min_size=2, max_size=60), st.integers(0, 999))
def test_integers_complete_by_their_digits(tmp_path_factory, ids, prefix) -> None:
    chain = sorted(ids)
    path = tmp_path_factory.mktemp("ids") / "comm"
    with CommunityIndex.build(list(pairwise(chain)), path) as index:
        found = offered(CommunityShell(index), f"seed {prefix}")
        beginning = {f"seed {n}" for n in chain if str(n).startswith(str(prefix))}
        assert set(found) <= beginning and len(found) == min(len(beginning), 20)
        if prefix in ids:
            assert found[0] == f"seed {prefix}"


def test_a_session_can_begin_with_seeds(les_miserables: Path) -> None:
    with CommunityIndex.open(les_miserables) as index:
        shell = CommunityShell(index, ["Valjean", "Valjean"], "pagerank")
        assert shell.view == View(("Valjean",), "pagerank")
        with pytest.raises(UnknownVertex):
            CommunityShell(index, ["nobody"])
