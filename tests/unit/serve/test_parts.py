"""A service over parts of a corpus answers as one over their merged index."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import PartUnavailable
from graphagg.nearest.vectors import Queries
from graphagg.rag import PassageIndex, PassageParts
from graphagg.rag.documents.passages import Passage
from graphagg.rag.parts.client import TOKEN, Asked, PartAddress, PartClient
from graphagg.rag.parts.served import PartObjects
from graphagg.rag.parts.wire import decode, encode, framed
from graphagg.serve.http.routes import parts
from graphagg.serve.http.security import Access
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.rights import TokenFile
from graphagg.serve.service import Service, Sources
from graphagg.store.strings import StringTable
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.rag.corpora import ENCODER, EXTRACTOR, POOLING, QUESTIONS, build
from tests.unit.rag.parts.test_parts import ASKED, CORPORA, assert_parts_answer_as
from tests.unit.serve.live import SECONDS, Live, error_of, patient, serving, until
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


@contextmanager
def deployed(folders: list[Path], access: Access | None = None) -> Iterator[list[Live]]:
    """A service for each part, as in processes of their own."""
    with ExitStack() as started:
        services = [Service(Sources(folder), patient()) for folder in folders]
        yield [started.enter_context(serving(service, access)) for service in services]


@settings(max_examples=max(settings().max_examples // 5, 1))
@given(CORPORA, st.integers(2, 3), st.integers(0, 2**32 - 1))
def test_parts_in_other_processes_answer_as_one_index(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[Passage], count: int, seed: int
) -> None:
    root, rng = tmp_path_factory.mktemp("parts"), random.Random(seed)
    models = {"encoder": rng.choice([POOLING, ENCODER]), "extractor": EXTRACTOR}
    rng.shuffle(corpus)
    groups = [corpus[i::count] for i in range(min(count, len(corpus)))]
    folders = [root / f"s{i}" for i in range(len(groups))]
    for folder, group in zip(folders, groups, strict=True):
        build(group, folder, **models).close()
    with (
        deployed(folders) as lives,
        PassageParts.open([live.url for live in lives], **models) as parts,
        PassageIndex.merge(folders, root / "one", **models) as one,
    ):
        assert_parts_answer_as(one, parts, bool(seed % 2), rng.choice(ASKED))
        name = corpus[0].id
        why = [each.explain(QUESTIONS[0], name, 2) for each in (parts, one)]
        assert (why[0].reason, why[0].rank) == (why[1].reason, why[1].rank)


def test_a_part_that_does_not_answer_is_named_until_it_is_back(tmp_path: Path) -> None:
    folders, body = built(tmp_path), {"question": QUESTION, "k": 10}
    with deployed(folders[:1]) as (first,), serving(Service(Sources(folders[0], **MODELS))) as one:
        with serving(Service(Sources(folders[1]), patient())) as second:
            port, places = second.port, [PartAddress(each.url) for each in (first, second)]
            sources = Sources(places[0], parts=(places[1],), **MODELS)
            started = serving(Service(sources, patient()))
            live = started.__enter__()
            whole = live.json(SEARCH, body)
            assert len(whole["hits"]) == len(CORPUS) and "partial" not in whole
        try:
            left = live.json(SEARCH, body)
            assert left["partial"] and left["missing"] == [second.url]
            alone = one.json(SEARCH, body)["hits"]
            assert left["hits"] == alone
            metric = f'graphagg_part_missing{{part="{second.url}"}}'
            until(lambda: f"{metric} 1.0" in live.get("/metrics").text)
            with serving(Service(Sources(folders[1]), patient()), port=port):
                until(lambda: f"{metric} 0.0" in live.get("/metrics").text)
                assert "partial" not in live.json(SEARCH, body)
                assert live.json(SEARCH, body)["hits"] == whole["hits"]
        finally:
            started.__exit__(None, None, None)


def test_a_served_part_is_replaced_while_it_is_asked(tmp_path: Path) -> None:
    folders, body = built(tmp_path), {"question": QUESTION, "k": 10}

    def ids(live: Live) -> set[str]:
        return {hit["id"] for hit in live.json(SEARCH, body)["hits"]}

    with deployed(folders) as lives:
        first, second = (PartAddress(live.url) for live in lives)
        with serving(Service(Sources(first, parts=(second,), **MODELS), patient())) as live:
            before = ids(live)
            with PassageIndex.open(folders[1], **MODELS) as part:
                part.add([Passage("new", "Menabrea read the Engine's notes.", "Menabrea")])
            while (now := ids(live)) != before | {"new"}:
                assert now == before


def test_a_late_step_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, end, late, answer = built(tmp_path), threading.Event(), [], PartObjects.answer

    def answer_late(objects: PartObjects, body: bytes) -> bytes:
        if b'"scores.nearest"' in body and not late:
            late.append(body)
            end.wait(SECONDS)
        return answer(objects, body)

    monkeypatch.setattr(PartObjects, "answer", answer_late)
    with deployed(folders) as lives:
        first, second = (PartAddress(live.url) for live in lives)
        with serving(Service(Sources(first, parts=(second,), **MODELS), patient())) as live:
            found = live.json(SEARCH, {"question": QUESTION, "mode": "dense", "k": 10})
            end.set()
    assert late and len(found["hits"]) == len(CORPUS) and "partial" not in found


def test_steps_need_an_unfiltered_token_and_fit_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = built(tmp_path, PASSAGES)
    access = Access(tokens=TokenFile(written(tmp_path / "tokens.toml")))
    with deployed(folders[:1], access) as (live,):
        steps, about = "/v1/parts/steps", "/v1/parts/about"
        for path in (about, "/v1/parts/files/x/y"):
            assert error_of(live.get(path), 401) == "Unauthorized"
            assert error_of(live.get(path, headers=as_("ours")), 403) == "Forbidden"
        assert error_of(live.post(steps, {}), 401) == "Unauthorized"
        assert error_of(live.post(steps, {}, headers=as_("ours")), 403) == "Forbidden"
        version = live.get(about, headers=as_("reader")).json()["manifest"]["data"]
        for name in ("../manifest.json", "manifest.json", "%2e%2e%2fmanifest.json"):
            found = live.get(f"/v1/parts/files/{version}/{name}", headers=as_("reader"))
            assert found.status_code in (404, 500)
        monkeypatch.setenv(TOKEN, as_("reader")["authorization"].removeprefix("Bearer "))
        client = PartClient(PartAddress(live.url))

        def step(*message: Any) -> Any:
            return decode(answered(message[0] if len(message) == 1 else encode(message)), str)

        def answered(message: bytes) -> bytes:
            return Asked(client, message, time.monotonic() + SECONDS, False).answer()

        rows, far = np.zeros(1, np.int64), np.full(1, 1 << 40)
        none, query = StringTable.pack([]), Queries(np.ones((1, 16), np.float32))
        key, _ = step(version, "named", (none, np.zeros(0, np.uint8)), [])
        for message in (
            b"{}", b"\2\0\0\0\0\0\0\0[]", b"\xff", b"\xff" * 9,
            encode((version, "__class__", (), [])),
            encode((version, "cosines", (rows.astype(float), query), [])),
            encode((version, "cosines", (far, query), [])),
            encode((version, "texts", ("rows.alive", 0, 9), [])),
            encode((version, "texts", (1, rows), [])),
            encode((version, "named", (rows,), [])),
            encode((key, "uses", (np.ones(99, np.bool_),), [])),
            encode((key, "view", (np.ones(3, np.bool_), rows, rows), [])),
            json_message([1, 2, 3, {"record": "QuestionReading", "of": []}]),
            json_message(["a", "b", {"array": "<i8", "shape": [-1, 99999999999]}, []]),
            json_message(["a", "b", {"array": "|O", "shape": [1]}, []]),
        ):  # fmt: skip
            with pytest.raises(PartUnavailable, match="InvalidParameter"):
                answered(message)
        with pytest.raises(PartUnavailable, match="NoSuchIndex") as lost:
            step("x", "nearest", (1,), [])
        assert lost.value.is_lost
        assert len(step(version, "cosines", (rows, query), []))
        assert steps not in live.get("/openapi.json", headers=as_("reader")).text


def json_message(value: Any) -> bytes:
    return framed(json.dumps(value).encode())


def test_a_step_that_is_too_large_or_a_token_that_was_removed_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = built(tmp_path, PASSAGES)
    service = Service(Sources(folders[0]), patient(ServiceLimits(upload_bytes=999)))
    with serving(service) as live:
        client = PartClient(PartAddress(live.url))
        with pytest.raises(PartUnavailable, match=r"closed|reset|pipe"):
            Asked(client, b" " * 1000, time.monotonic() + SECONDS, False).answer()
        with pytest.raises(PartUnavailable, match="InvalidParameter"):
            Asked(client, b" " * 999, time.monotonic() + SECONDS, False).answer()
    monkeypatch.setattr(parts, "LAST", 0.0)
    tokens = written(tmp_path / "tokens.toml")
    with deployed(folders[:1], Access(tokens=TokenFile(tokens))) as (live,):
        monkeypatch.setenv(TOKEN, as_("reader")["authorization"].removeprefix("Bearer "))
        client = PartClient(PartAddress(live.url))
        for _ in range(2):  # the second one on a connection of its own
            with pytest.raises(PartUnavailable, match="InvalidParameter"):
                Asked(client, b" ", time.monotonic() + SECONDS, False).answer()
        tokens.write_text("changed-" + "0" * 40)
        with pytest.raises(PartUnavailable, match="401"):
            Asked(client, b" ", time.monotonic() + SECONDS, False).answer()


def test_parts_are_options_of_the_command(call: Any, tmp_path: Path) -> None:
    first, _ = built(tmp_path)
    (tmp_path / "serve.toml").write_text(f'[serve]\npassages = "{tmp_path / "none"}"\n')
    for options, said in (
        (("--passages", first, "--passages", first), "p1.*two shards"),
        (("--config", tmp_path / "serve.toml"), f"{tmp_path / 'none'}: no such folder"),
    ):
        assert re.search(said, call("serve", "--lazy", *options).error)
