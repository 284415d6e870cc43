"""Uploads of any files under any names: each is taken or refused, and none is a fault.

pytest -m slow tests/unit/serve/test_uploads.py      10,000 of them
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from graphagg.serve.service import Service, Sources
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.rag.documents.reading.files import docx, epub, odt, pdf, zipped
from tests.unit.serve.live import Live, patient, serving

A = "/v1/collections/a"
TEXT = "# Works\n\nAnna led the [works](b.md).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
CELLS = [{"cell_type": "markdown", "source": [TEXT]}, {"cell_type": "code", "source": "x = 1"}]
SOUND = {
    "md": TEXT.encode(), "txt": TEXT.encode("utf-16"), "html": b"<h1>A</h1><p>Anna <b>led</b>.</p>",
    "rst": b"Works\n=====\n\n.. note:: Anna led.\n", "csv": b"id,text\n1,Anna led.\n2,Berg.\n",
    "json": b'[{"id": "a", "text": "Anna led."}]', "jsonl": b'{"text": "A."}\n{"text": "B."}\n',
    "ipynb": json.dumps({"cells": CELLS, "nbformat": 4}).encode(), "py": b'"""Works."""\nx = 1\n',
    "eml": b"From: a@b.example\nSubject: Works\n\nAnna led.\n", "org": b"* Works\nAnna led.\n",
    "srt": b"1\n00:00:01,000 --> 00:00:02,000\nAnna led.\n", "xml": b"<a><b>Anna</b></a>",
    "tex": b"\\section{Works} Anna led.", "zip": zipped({"a.md": TEXT}), "exe": b"MZ\0\0",
}  # fmt: skip
BOUNDED = {
    "pdf": pdf([["Works", "Anna led."]]), "docx": docx("Works"), "odt": odt(), "epub": epub(),
}  # fmt: skip
"""Kinds that a process of its own converts, which takes a second to start: one upload of fifty."""

names = st.text(max_size=12) | st.text("aA/.\u00e9 ", max_size=6)
nothings = st.binary(max_size=200)


@st.composite
def uploaded(draw: st.DrawFn, kinds: dict[str, bytes]) -> tuple[str, bytes]:
    """A file of any bytes, or a sound one that was cut, overwritten or lengthened somewhere."""
    kind = draw(st.sampled_from(sorted(kinds)))
    name = draw(names | st.builds("{}.{}".format, names, st.just(kind)))
    content = kinds[kind]
    at = draw(st.integers(0, len(content)))
    change = draw(st.sampled_from(["none", "any", "cut", "over", "into"]))
    if change == "any":
        return name, draw(nothings)
    if change == "cut":
        return name, content[:at]
    piece = draw(st.binary(max_size=20)) if change != "none" else b""
    return name, content[:at] + piece + content[at + len(piece) * (change == "over") :]


uploads = st.integers(0, 49).flatmap(
    lambda drawn: st.lists(uploaded(SOUND if drawn else SOUND | BOUNDED), max_size=3)
)


THOUSANDS = [pytest.param(1_000, each, marks=pytest.mark.slow) for each in range(1, 11)]


@pytest.mark.parametrize(("count", "start"), [(30, 0), *THOUSANDS])
def test_any_upload_is_answered(fuzzed: Live, count: int, start: int) -> None:
    asked = 0

    @seed(start)
    @settings(
        max_examples=count,
        derandomize=False,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    @given(uploads, st.binary(max_size=60))
    def ask(files: list[tuple[str, bytes]], raw: bytes) -> None:
        nonlocal asked
        if asked % 100 == 0:  # so that the collection stays small
            fuzzed.client.delete(A)
            fuzzed.post("/v1/collections", {"name": "a"})
        asked += 1
        sent = {"files": [("file", each) for each in files]}
        if not files:
            head = {"content-type": "multipart/form-data; boundary=x"}
            sent = {"content": b"--x\r\n" + raw, "headers": head}  # type: ignore[dict-item]
        answer = fuzzed.client.post(f"{A}/files", **sent)  # type: ignore[arg-type]
        assert answer.status_code in (200, 400, 422), answer.text

    ask()


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    sources = Sources(root=tmp_path_factory.mktemp("fuzzed"), **models)  # type: ignore[arg-type]
    with serving(Service(sources, patient())) as running:
        yield running
