"""A service over parts of a corpus answers as one over their merged index."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from graphagg.rag import PassageIndex
from graphagg.rag.documents.passages import Passage
from graphagg.serve.http.security import Access
from graphagg.serve.rights import TokenFile
from graphagg.serve.service import Service, Sources
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.serve.live import SECONDS, Live, error_of, patient, serving
from tests.unit.serve.test_rights import PASSAGES, as_, written

MODELS: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
SEARCH, FACETS = "/v1/passages/search", "/v1/passages/facets"
QUESTION = "Who read the notes on the Engine in London?"


def built(root: Path, corpus: list[Passage] = CORPUS) -> list[Path]:
    folders = [root / "a", root / "b"]
    for i, folder in enumerate(folders):
        PassageIndex.build(corpus[i::2], folder, **MODELS).close()
    return folders


def merged(folders: list[Path], folder: Path) -> Path:
    PassageIndex.merge(folders, folder, **MODELS).close()
    return folder


def answer(live: Live, path: str, body: Any, headers: Any = None) -> Any:
    found = live.post(path, body, headers=headers)
    return found.status_code, {k: v for k, v in found.json().items() if k != "version"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, Live]]:
    """Services over the merged index and over its parts."""
    root = tmp_path_factory.mktemp("parts")
    first, *further = folders = built(root, PASSAGES)
    access = Access(tokens=TokenFile(written(root / "tokens.toml")))
    sources = Sources(merged(folders, root / "one"), **MODELS)
    with (
        serving(Service(sources, patient()), access) as one,
        serving(
            Service(Sources(first, parts=tuple(further), **MODELS), patient()), access
        ) as parts,
    ):
        yield one, parts


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *((SEARCH, {"mode": mode}) for mode in ("multihop", "rrf", "dense", "bm25")),
        (SEARCH, {"filter": {"kind": "city"}}),
        (SEARCH, {"filter": {"unknown": 1}}),
        (SEARCH, {"exclude": ["p1"], "k": 2, "offset": 2, "history": ["Who is Ada?"]}),
        (SEARCH, {"max_tokens": 20}),
        (SEARCH, {"k": 101}),
        (SEARCH, {"recency": 0.5}),
        (FACETS, {}),
    ],
)
def test_parts_are_served_as_their_merged_index(
    served: tuple[Live, Live], path: str, body: dict[str, Any]
) -> None:
    one, parts = served
    for name in ("reader", "ours", "theirs"):
        asked = path, {"question": QUESTION, **body}, as_(name)
        found, wanted = answer(parts, *asked), answer(one, *asked)
        for hit, expected in zip(found[1].get("hits", []), wanted[1].get("hits", []), strict=True):
            assert hit.pop("score") == pytest.approx(expected.pop("score"), abs=1e-9)
            for each in ("components", "path"):
                assert str(hit.pop(each))[:40] == str(expected.pop(each))[:40]
        assert found == wanted


def test_what_needs_one_index_is_refused(tmp_path: Path) -> None:
    first, *further = built(tmp_path)
    with serving(Service(Sources(first, parts=tuple(further), **MODELS), patient())) as live:
        info = live.json("/v1/info")["passages"]
        assert "linearrag" not in info["modes"] and info["counts"]["passages"] == len(CORPUS)
        for path, body in (
            (SEARCH, {"question": QUESTION, "mode": "linearrag"}),
            ("/v1/passages/themes", {}),
            ("/v1/passages/similar", {"passage": "p1"}),
        ):
            assert error_of(live.post(path, body), 400) == "InvalidParameter"


def test_a_part_is_replaced_while_it_is_asked(tmp_path: Path) -> None:
    folders, end, answers = built(tmp_path), threading.Event(), list[tuple[str, str]]()
    body = {"question": QUESTION, "k": 10}

    def asked(live: Live) -> tuple[str, str]:
        found = live.json(SEARCH, body)
        return found["version"], str([(h["id"], round(h["score"], 6)) for h in found["hits"]])

    def of_merged() -> str:
        with serving(Service(Sources(merged(folders, tmp_path / "one"), **MODELS))) as live:
            return asked(live)[1]

    expected = [of_merged()]
    sources = Sources(folders[0], parts=tuple(folders[1:]), **MODELS)
    with serving(Service(sources, patient())) as live, ThreadPoolExecutor(2) as pool:

        def ask() -> None:
            while not end.is_set():
                answers.append(asked(live))

        asking = [pool.submit(ask) for _ in range(2)]
        try:
            for i in range(3):
                with PassageIndex.open(folders[1 - i % 2], **MODELS) as part:
                    part.add([Passage(f"new{i}", "Menabrea read the Engine's notes.", "Menabrea")])
                expected.append(of_merged())
                while asked(live)[1] != expected[-1]:
                    assert not any(each.done() for each in asking)
        finally:
            end.set()
        for each in asking:
            each.result(SECONDS)
    assert {found for _, found in answers} <= {*expected}
    assert len({*answers}) == len({version for version, _ in answers})


def test_parts_are_options_of_the_command(call: Any, tmp_path: Path) -> None:
    first, _ = built(tmp_path)
    (tmp_path / "serve.toml").write_text(f'[serve]\npassages = "{tmp_path / "none"}"\n')
    for options, said in (
        (("--passages", first, "--passages", first), "p1.*two shards"),
        (("--config", tmp_path / "serve.toml"), f"{tmp_path / 'none'}: no such folder"),
    ):
        assert re.search(said, call("serve", "--lazy", *options).error)
