"""`file://` is a local folder; a scheme that is not known is refused by name, everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.rag import PassageIndex
from graphagg.spark.build import work_of
from graphagg.store import open_artifact, write_artifact
from graphagg.store.addresses import local_folder
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.commands import Answer

UNKNOWN = ("ftp://bucket/idx", "dbfs:/idx", "FTP://b/i", "oss2://b/i")
REMOTE = ("s3://bucket/idx", "s3a://b/idx", "gs://b/i", "S3://b/i")


@given(
    st.text("ab/.:-_ %#?", min_size=1).filter(lambda path: "a:/" not in path and "b:/" not in path)
)
def test_paths_stay_as_they_are(path: str) -> None:
    for spelled in (path, f"/{path}", f"./{path}:/a", f"c:/{path}"):
        assert local_folder(spelled) == Path(spelled)


@pytest.mark.parametrize(
    "address", ["file:///a/b%20c#d?e", "file:/a/b c#d?e", "file://localhost/a/b c#d?e"]
)
def test_file_addresses_are_folders(address: str) -> None:
    assert local_folder(address) == Path("/a/b c#d?e")
    with pytest.raises(InvalidParameter, match=r"names the host 'sp'; .* file:///sp/comm"):
        local_folder("file://sp/comm")


@pytest.mark.parametrize("address", REMOTE)
def test_where_a_local_folder_is_wanted_stores_are_refused(address: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^\w+://.*not supported here; `graphagg pull"):
        local_folder(address)


@pytest.mark.parametrize("address", UNKNOWN)
def test_other_schemes_are_refused_by_name(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scheme = address.partition(":")[0]
    for given_as in (address, Path(address)):  # a Path has one slash less
        for use in (local_folder, open_artifact, work_of):
            with pytest.raises(InvalidParameter, match=f"{scheme}://.* supported"):
                use(given_as)
        with pytest.raises(InvalidParameter, match=f"{scheme}://"), write_artifact(given_as):
            pass
        with pytest.raises(InvalidParameter, match=f"{scheme}://"):
            PassageIndex.build(CORPUS, given_as, encoder=FakeEncoder(), extractor=FakeExtractor())
    assert os.listdir(tmp_path) == []


COMMANDS = (
    ("rag", "index", "docs", "--out", "ADDRESS"),
    ("rag", "index", "docs", "--out", "ADDRESS", "--engine", "spark"),
    ("rag", "search", "ADDRESS", "who?"),
    ("rag", "sync", "ADDRESS", "docs"),
    ("rag", "add", "ADDRESS", "docs"),
    ("rag", "delete", "ADDRESS", "p"),
    ("rag", "compact", "ADDRESS"),
    ("rag", "eval", "ADDRESS", "questions.jsonl"),
    ("communities", "build", "edges.txt", "--out", "ADDRESS"),
    ("communities", "query", "ADDRESS", "--seed", "a"),
    ("embed", "build", "edges.txt", "--out", "ADDRESS"),
    ("embed", "neighbors", "ADDRESS", "--vertex", "a"),
    ("train", "zinc", "--out", "ADDRESS"),
    ("demo", "--out", "ADDRESS"),
    ("serve", "--passages", "ADDRESS"),
    ("mcp", "--passages", "ADDRESS"),
    ("info", "ADDRESS"),
    ("verify", "ADDRESS"),
)


LOCAL_ONLY = (  # a known store is no place for these
    ("train", "zinc", "--out", "ADDRESS"),
    ("demo", "--out", "ADDRESS"),
)
REFUSED = [*((each, "ftp") for each in COMMANDS), *((each, "s3a") for each in LOCAL_ONLY)]


@pytest.mark.parametrize(("command", "scheme"), REFUSED, ids=str)
def test_every_command_refuses_them(
    command: tuple[str, ...],
    scheme: str,
    call: Callable[..., Answer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    address = f"{scheme}://bucket/x"
    said = call(*(word.replace("ADDRESS", address) for word in command)).error
    assert "://bucket/x: " in said and f"{scheme.rstrip('a')}:// is not supported" in said
    assert os.listdir(tmp_path) == ["docs"]


def test_file_addresses_work_in_commands(tmp_path: Path, call: Callable[..., Answer]) -> None:
    edges = tmp_path / "edges.txt"
    edges.write_text("a b\nb c\nc a\n")
    address = (tmp_path / "comm").as_uri()
    assert call("communities", "build", edges, "--out", address, "--json").json["vertices"] == 3
    assert (tmp_path / "comm" / "manifest.json").exists()
    assert call("info", address, "--json").json["kind"] == "communities"
