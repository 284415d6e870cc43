"""Collections that are written to over HTTP: what a write says has happened, and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphagg.errors import CollectionExists, InvalidParameter, WriteFailed
from graphagg.rag import PassageIndex
from graphagg.serve.collections import Collections, Settings
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.service import Service, Sources
from graphagg.serve.shared import Metrics, SharedResources
from graphagg.serve.writing import Writer
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.commands import GRAPHAGG
from tests.unit.serve.live import SECONDS, Live, error_of, patient, serving, until

MODELS: dict[str, Any] = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
ROWS = [
    {"id": p.id, "text": p.text, "title": p.title, "metadata": dict(p.metadata)} for p in CORPUS
]
QUESTIONS = ["Where did Ada live?", "Who designed the Engine?", "On which river lies London?"]
A = "/v1/collections/a"


def root_of(folder: Path) -> Sources:
    return Sources(root=folder, **MODELS)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A service with a collection `a` that holds nothing."""
    with serving(Service(root_of(tmp_path / "root"), patient())) as running:
        assert running.post("/v1/collections", {"name": "a"}).status_code == 201
        yield running


def hits(live: Live, question: str = QUESTIONS[0], **options: Any) -> Any:
    body = {"question": question, "k": 10, **options}
    return live.json(f"{A}/passages/search", body)["hits"]


def write(live: Live, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    answer = live.post(f"{A}/{path}", body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def upload(live: Live, *files: tuple[str, bytes]) -> httpx.Response:
    return live.client.post(f"{A}/files", files=[("file", each) for each in files])


# --- collections ---------------------------------------------------------------------------------


def test_a_collection_comes_and_goes(live: Live) -> None:
    empty = {"name": "a", "passages": None, "version": None, "problem": None}
    assert live.json("/v1/collections") == {"collections": [empty], "may_write": True}
    assert live.error(409, "/v1/collections", {"name": "a"}) == "CollectionExists"
    assert live.error(404, f"{A}/passages/search", {"question": "Who?"}) == "CollectionEmpty"
    assert live.json(A)["passages"] is None
    answer = live.post(f"{A}/passages", {"passages": [{"id": "x", "text": "y", "tenant": "z"}]})
    assert "passages.0.tenant: a passage has no such key; put it in `metadata`" in answer.text
    version = write(live, "passages", {"passages": ROWS})["version"]
    assert live.json("/v1/collections")["collections"] == [
        {"name": "a", "passages": len(ROWS), "version": version, "problem": None}
    ]
    assert live.json(A)["passages"]["version"] == version
    assert live.client.delete(A).json() == {"removed": True}
    assert live.json("/v1/collections")["collections"] == []
    assert error_of(live.get(A), 404) == "NoSuchIndex"
    assert live.post("/v1/collections", {"name": "a"}).status_code == 201


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.one_of(st.text(max_size=70), st.from_regex(r"[aA.\-_/\\é٣]{1,5}", fullmatch=True)))
def test_a_name_is_plain_or_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "names"
    limits = ServiceLimits()
    collections = Collections(root, SharedResources(limits, Metrics()), limits)
    sound = name.isascii() and name == name.lower() and 0 < len(name) <= 63
    sound = sound and all(c.isalnum() or c in "_-" for c in name) and name[0].isalnum()
    try:
        collections.create(name, Settings())
    except CollectionExists:
        assert sound
    except InvalidParameter:
        assert not sound
        return
    assert sound and name in collections.names()
    assert {each.name for each in tmp_path.iterdir()} == {"names"}


def test_a_damaged_collection_is_listed_with_its_problem(live: Live, tmp_path: Path) -> None:
    for name, file, text in (("b", "collection.json", '{"profile":'), ("c", "manifest.json", "[]")):
        (tmp_path / "root" / name).mkdir()
        (tmp_path / "root" / name / file).write_text(text)
    listed = live.json("/v1/collections")["collections"]
    problems = {each["name"]: each["problem"] for each in listed}
    assert problems == {"a": None, "b": "CorruptArtifact", "c": "NotAnArtifact"}
    for path, error in (("b/passages", "CorruptArtifact"), ("c/passages", "NotAnArtifact")):
        assert live.error(500, f"/v1/collections/{path}", {"passages": ROWS}) == error
    assert live.error(500, "/v1/collections/c") == "NotAnArtifact"
    assert write(live, "passages", {"passages": ROWS})["passages"] == len(ROWS)


def test_an_unusable_language_is_refused_at_once(live: Live) -> None:
    for language in ("zz", "", "../../etc", "en\n"):
        body = {"name": "b", "language": language}
        assert live.error(400, "/v1/collections", body) == "InvalidParameter"
        assert live.error(404, "/v1/collections/b") == "NoSuchIndex"


def test_an_index_of_its_own_is_a_collection_too(tmp_path: Path) -> None:
    PassageIndex.build(CORPUS, tmp_path / "a", **MODELS).close()
    with serving(Service(root_of(tmp_path), patient())) as live:
        assert [hit["id"] for hit in hits(live)]
        assert write(live, "passages/delete", {"ids": ["p1"]})["passages"] == len(ROWS) - 1
        assert error_of(upload(live, ("a.txt", b"text")), 400) == "InvalidParameter"
    with PassageIndex.open(tmp_path / "a", **MODELS) as index:
        assert "p1" not in index


def test_no_more_are_open_than_may_be(tmp_path: Path) -> None:
    limits = patient(ServiceLimits(open_collections=2))
    names = [f"c{number}" for number in range(6)]
    for name in names:
        PassageIndex.build(CORPUS, tmp_path / name, **MODELS).close()
    service = Service(root_of(tmp_path), limits)
    with serving(service) as live, ThreadPoolExecutor(8) as pool:
        paths = [f"/v1/collections/{name}/passages/search" for name in names * 4]
        answers = list(pool.map(lambda p: live.post(p, {"question": QUESTIONS[0]}), paths))
        assert {each.status_code for each in answers} == {200}
        assert len({json.dumps(each.json()["hits"]) for each in answers}) == 1
        live.post(paths[0], {"question": QUESTIONS[0]})
        assert len(live.json("/v1/collections")["collections"]) == 6


# --- writes --------------------------------------------------------------------------------------

changes = st.lists(
    st.tuples(
        st.sampled_from(["add", "put", "delete"]),
        st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=3, unique=True),
        st.integers(0, 2),
    ),
    max_size=6,
)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes)
def test_after_any_writes_answers_are_those_of_a_rebuild(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, list[int], int]]
) -> None:
    folder = tmp_path_factory.mktemp("written")
    texts = ["", " Babbage wrote.", " Paris lies on the Seine."]
    held = {row["id"]: row for row in ROWS[:3]}
    with serving(Service(root_of(folder / "root"), patient())) as live:
        live.post("/v1/collections", {"name": "a"})
        write(live, "passages", {"passages": ROWS[:3]})
        for kind, chosen, text in changes:
            rows = [{**ROWS[i], "text": ROWS[i]["text"] + texts[text]} for i in chosen]
            ids = [row["id"] for row in rows]
            there = [name for name in ids if name in held]
            if kind == "delete":
                answer = live.post(f"{A}/passages/delete", {"ids": ids})
                sound = len(there) == len(ids)
                after = {name: row for name, row in held.items() if name not in ids}
            else:
                body = {"passages": rows} | ({"replace": True} if kind == "put" else {})
                answer = live.post(f"{A}/passages", body)
                sound, after = kind == "put" or not there, held | {row["id"]: row for row in rows}
            assert answer.status_code in ((200,) if sound else (400, 404)), answer.text
            held = after if sound else held
        if not held:
            assert live.error(404, f"{A}/passages/search", {"question": "?"}) == "CollectionEmpty"
            return
        answers = [hits(live, question) for question in QUESTIONS]
    built = folder / "root" / "b"
    PassageIndex.build(list(held.values()), built, **MODELS).close()
    with serving(Service(Sources(built, **MODELS), patient())) as live:
        for question, answer in zip(QUESTIONS, answers, strict=True):
            body = {"question": question, "k": 10}
            rebuilt = live.json("/v1/passages/search", body)["hits"]
            assert {hit["id"]: hit["score"] for hit in answer} == {
                hit["id"]: hit["score"] for hit in rebuilt
            }


def hold(
    patch: pytest.MonkeyPatch, name: str
) -> tuple[threading.Event, threading.Event, list[Any]]:
    """Hold a change of an index at a gate; also that one waits there, and what each was given."""
    gate, entered, given = threading.Event(), threading.Event(), list[Any]()
    change = getattr(PassageIndex, name)

    def held(self: Any, items: Any, **options: Any) -> Any:
        given.append(items)
        entered.set()
        assert gate.wait(SECONDS)
        return change(self, items, **options)

    patch.setattr(PassageIndex, name, held)
    return gate, entered, given


def test_questions_meanwhile_see_the_version_before_and_writers_wait_in_order(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(live, "passages", {"passages": ROWS[:2]})
    before = hits(live)
    gate, _, given = hold(monkeypatch, "add")
    started, write_one = list[str](), Writer.write

    def starts(self: Writer, name: str, *arguments: Any) -> Any:
        started.append(name)
        return write_one(self, name, *arguments)

    monkeypatch.setattr(Writer, "write", starts)
    with ThreadPoolExecutor(4) as pool:
        writes = []
        for row in ROWS[2:5]:
            writes.append(pool.submit(write, live, "passages", {"passages": [row]}))
            until(lambda: len(started) == len(writes))
        assert hits(live) == before
        gate.set()
        counts = [each.result(SECONDS)["passages"] for each in writes]
    order = [row["id"] for (row,) in given]
    assert order == [row["id"] for row in ROWS[2:5]] and counts == [3, 4, 5]
    assert len(hits(live)) == 5


def test_a_turn_that_does_not_come_is_a_conflict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, entered, _ = hold(monkeypatch, "delete")
    service = Service(root_of(tmp_path / "root"), patient(ServiceLimits(write_seconds=0.2)))
    with serving(service) as live, ThreadPoolExecutor(1) as pool:
        live.post("/v1/collections", {"name": "a"})
        write(live, "passages", {"passages": ROWS})
        first = pool.submit(write, live, "passages/delete", {"ids": ["p1"]})
        assert entered.wait(SECONDS)
        refused = live.post(f"{A}/passages/delete", {"ids": ["p2"]})
        assert error_of(refused, 409) == "ArtifactBusy" and refused.headers["retry-after"]
        assert str(tmp_path) not in refused.text
        live.post("/v1/collections", {"name": "b"})  # which does not wait
        assert live.post("/v1/collections/b/passages", {"passages": ROWS}).is_success
        gate.set()
        assert first.result(SECONDS)["removed"] == 1


def test_a_long_write_tells_its_progress(live: Live) -> None:
    write(live, "passages", {"passages": ROWS[:2]})
    headers = {"accept": "text/event-stream"}
    answer = live.post(f"{A}/passages", {"passages": ROWS[2:]}, headers=headers)
    events = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    assert all(set(each["progress"]) == {"stage", "done", "total"} for each in events[:-1])
    assert len(events) > 1 and events[-1]["done"]["passages"] == len(ROWS)
    again = live.post(f"{A}/passages", {"passages": ROWS[2:]}, headers=headers)
    assert '"type": "DuplicateId"' in again.text


def test_a_full_disk_leaves_the_version_before(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    version = write(live, "passages", {"passages": ROWS[:2]})["version"]

    def full(*arguments: Any, **options: Any) -> Any:
        raise WriteFailed("/somewhere/a: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("graphagg.rag.operations.changes.change_passages", full)
        refused = live.post(f"{A}/passages", {"passages": ROWS[2:]})
        assert error_of(refused, 507) == "WriteFailed" and "somewhere" not in refused.text
    assert live.json(A)["passages"]["version"] == version
    assert write(live, "passages", {"passages": ROWS[2:]})["passages"] == len(ROWS)


# --- files ---------------------------------------------------------------------------------------


def test_files_are_read_kept_and_synced(live: Live, tmp_path: Path) -> None:
    write(live, "passages", {"passages": ROWS[:1]})
    answer = upload(
        live, ("notes/ada.md", b"# Ada\n\nAda wrote to Babbage."), ("river.txt", b"The Thames."),
        ("broken.pdf", b"no pdf"), ("empty.txt", b""),
    ).json()  # fmt: skip
    assert (answer["files"], answer["added"], answer["passages"]) == (2, 2, 3)
    assert {each["path"] for each in answer["left_out"]} == {"broken.pdf", "empty.txt"}
    folder = tmp_path / "root" / "a" / "files"
    assert sorted(each.name for each in folder.rglob("*") if each.is_file()) == [
        "ada.md", "river.txt",
    ]  # fmt: skip
    assert live.get(f"{A}/files/notes/ada.md").text.startswith("# Ada")
    assert write(live, "sync")["unchanged"] == 3
    (folder / "river.txt").unlink()
    (folder / "new.txt").write_text("Paris lies on the Seine.")
    changed = write(live, "sync")
    assert (changed["added"], changed["removed"], changed["unchanged"]) == (1, 1, 2)
    ids = {hit["id"] for hit in hits(live)}
    assert ids == {"p1", "notes/ada.md", "new.txt"}  # what was sent as a passage stays
    assert not list((tmp_path / "root" / "a").glob(".staged-*"))


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_refused_upload_is_removed(live: Live, tmp_path: Path, accept: str) -> None:
    assert upload(live, ("plan", b"not of a kind that is read"), ("a.md", b"Ada.")).is_success
    files = [("file", ("plan/b.md", b"# Ada"))]
    answer = live.client.post(f"{A}/files", files=files, headers={"accept": accept})
    assert "the same name" in answer.text
    assert not list((tmp_path / "root" / "a").glob(".staged-*"))


def test_a_file_and_a_folder_of_one_name_are_refused(live: Live) -> None:
    """Before anything is added: the passages stay as they were."""
    assert upload(live, ("plan", b"not of a kind that is read"), ("a.md", b"Ada.")).is_success
    before = live.json(A)
    for name in ("plan/b.md", "plan/c/d.md"):
        answer = upload(live, (name, b"Ada lived in London."))
        assert answer.status_code == 400 and "the same name" in answer.text
    assert live.json(A) == before


def test_markup_that_was_uploaded_is_no_page_of_the_service(live: Live) -> None:
    upload(live, ("evil.html", b"<p>Some text.</p><script>alert(1)</script>"))
    answer = live.get(f"{A}/files/evil.html")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_file_leaves_the_folder(live: Live, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    for name in (
        "../x.txt", "/etc/x.txt", "a/../../x.txt", ".hidden.txt", "a/.b/x.txt", "c:x.txt",
        "a\\x.txt", "", "x" * 300 + ".txt",
    ):  # fmt: skip
        assert upload(live, (name, b"text")).status_code in (400, 422), name
        left = [each for each in sorted(tmp_path.rglob("*")) if each.name != "files"]
        assert left == before, name
        assert live.get(f"{A}/files/{name}").status_code in (400, 404), name


def test_an_upload_has_an_end(tmp_path: Path) -> None:
    limits = patient(ServiceLimits(upload_bytes=5_000, upload_files=3, write_bytes=2_000))
    with serving(Service(root_of(tmp_path / "root"), limits)) as live:
        live.post("/v1/collections", {"name": "a"})
        assert error_of(upload(live, ("a.txt", b"x" * 6_000)), 413) == "BodyTooLarge"
        many = [(f"{number}.txt", b"some text") for number in range(4)]
        assert upload(live, *many).status_code == 400
        assert upload(live, *many[:3]).status_code == 200
        row = {"id": "long", "text": "x" * 3_000}
        assert live.error(413, f"{A}/passages", {"passages": [row]}) == "BodyTooLarge"
        assert not list((tmp_path / "root" / "a").glob(".staged-*"))


# --- kills ---------------------------------------------------------------------------------------


def served(root: Path) -> tuple[subprocess.Popen[str], str]:
    command = [*GRAPHAGG, "serve", "--root", str(root), "--port", "0", "--no-access-log"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    line = process.stderr.readline()
    assert line.startswith("serving on "), line + process.stderr.read()
    return process, line.split()[-1]


def test_a_killed_process_loses_no_acknowledged_write(tmp_path: Path) -> None:
    """Each passage that was acknowledged is there after a kill in the middle of the next write."""
    acknowledged: list[str] = []
    for start in (0, 3):
        process, url = served(tmp_path)
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
            client.post("/v1/collections", json={"name": "a", "profile": "fast"})
            if start:
                answer = client.get(A).json()
                assert answer["passages"]["counts"]["passages"] in (
                    len(acknowledged), len(acknowledged) + 1,
                )  # fmt: skip
            for number in range(start, start + 3):
                row = {"id": f"p{number}", "text": f"The {number}th river flows to the sea."}
                body = {"passages": [row], "replace": True}
                if number < start + 2:
                    assert client.post(f"{A}/passages", json=body).status_code == 200
                    acknowledged.append(row["id"])
                else:  # the kill meets it
                    with ThreadPoolExecutor(1) as pool:
                        pool.submit(_ignored, client, body)
                        process.send_signal(signal.SIGKILL)
        process.wait(SECONDS)
    with PassageIndex.open(tmp_path / "a" / "passages") as index:
        assert set(acknowledged) <= {passage.id for passage in index}


def _ignored(client: httpx.Client, body: Any) -> None:
    try:
        client.post(f"{A}/passages", json=body)
    except httpx.HTTPError:
        pass
