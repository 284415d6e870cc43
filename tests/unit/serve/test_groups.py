"""Groups of readers over one index: each gets the answers of an index of what it may see."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graphagg.errors import InvalidToken
from graphagg.rag import Passage, PassageIndex, read_passages
from graphagg.serve.http.security import Access
from graphagg.serve.rights import TokenFile, digest_of, read_tokens
from graphagg.serve.service import Service, Sources
from tests.unit.serve.live import Live, patient, serving

DEMO = Path(__file__).parents[3] / "graphagg" / "rag" / "demo" / "passages.jsonl"
READERS = (["sales"], ["hr"], ["sales", "hr"], ["*"], None)
GROUPS = {"sales": ("sales",), "hr": ("hr",), "both": ("sales", "hr"), "none": ()}
PROXY = "proxy-token-0123456789"


def token(name: str) -> str:
    return f"{name}-token-0123456789"


def passages() -> list[Passage]:
    """The passages of the demo, each with readers by its place; every fifth has none."""
    rows = []
    for number, passage in enumerate(read_passages(DEMO)):
        readers = READERS[number % len(READERS)]
        more = {} if readers is None else {"readers": readers}
        rows.append(replace(passage, metadata={**passage.metadata, **more}))
    return rows


def seen_by(groups: tuple[str, ...]) -> list[Passage]:
    return [p for p in passages() if {"*", *groups} & set(p.metadata.get("readers", ()))]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    root = tmp_path_factory.mktemp("groups")
    PassageIndex.build(passages(), root / "idx", profile="fast").close()
    tables = [
        f'[[token]]\nsha256 = "{digest_of(token(name))}"\nrole = "read"\ngroups = {list(groups)}\n'
        for name, groups in GROUPS.items()
    ]
    tables.append(f'[[token]]\nsha256 = "{digest_of(PROXY)}"\nrole = "read"\n')
    tables[-1] += 'groups_header = "X-Groups"\n'
    (root / "tokens.toml").write_text("\n".join(tables))
    access = Access(tokens=TokenFile(root / "tokens.toml"))
    with serving(Service(Sources(root / "idx"), patient()), access) as running:
        yield running


def compare(live: Live, tmp_path: Path, count: int) -> None:
    draw, words = random.Random(count), sorted({w for p in passages() for w in p.text.split()})
    for name, groups in GROUPS.items():
        by_header = {"authorization": f"Bearer {PROXY}", "x-groups": ", ".join(groups)}
        with PassageIndex.build(seen_by(groups), tmp_path / name, profile="fast") as alone:
            for number in range(count // len(GROUPS)):
                question = " ".join(draw.sample(words, draw.randint(1, 8)))
                headers = {"authorization": f"Bearer {token(name)}"} if number % 2 else by_header
                answer = live.post("/v1/passages/search", {"question": question}, headers=headers)
                hits = answer.json()["hits"]
                expected = alone.retrieve(question)
                assert [hit["id"] for hit in hits] == [hit.passage.id for hit in expected]
                assert [hit["score"] for hit in hits] == pytest.approx(
                    [hit.score for hit in expected], abs=1e-5
                )


def test_answers_are_those_of_an_index_of_what_a_group_may_see(live: Live, tmp_path: Path):
    compare(live, tmp_path, 40)


def test_a_header_gives_nothing_to_a_token_that_does_not_name_it(live: Live):
    headers = {"authorization": f"Bearer {token('none')}", "x-groups": "sales,hr"}
    answer = live.post("/v1/passages/search", {"question": "river", "k": 50}, headers=headers)
    assert {hit["id"] for hit in answer.json()["hits"]} <= {p.id for p in seen_by(())}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('role = "write"\ngroups = ["a"]', "two tokens"),
        ('role = "write"\ngroups_header = "x"', "two tokens"),
        ('role = "read"\ngroups = "a"', "token.0.groups"),
        ('role = "read"\ngroups = [1]', "token.0.groups"),
        ('role = "read"\ngroups_header = 5', "groups_header"),
        ('role = "read"\ngroups = []\ngroups_header = "x"', "groups_header replaces groups"),
        ('role = "read"\ngroup = ["a"]', "token.0.group"),
    ],
)
def test_wrong_groups_are_refused(tmp_path: Path, lines: str, message: str):
    path = tmp_path / "tokens.toml"
    path.write_text(f'[[token]]\nsha256 = "{"a" * 64}"\n{lines}\n')
    with pytest.raises(InvalidToken, match=message):
        read_tokens(path)
