"""What clients of stores raise, by name; and what the command line makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from graphagg import errors
from graphagg.errors import (
    AccessRefused,
    ClockOff,
    MissingExtra,
    NoCredentials,
    NoSuchBucket,
    NotWritable,
    StoreError,
    StoreUnreachable,
)
from graphagg.store import open_artifact, write_artifact
from graphagg.store import verify_at as verify
from graphagg.store.addresses import address
from graphagg.store.remote import clients
from graphagg.store.remote.files import attempt, named_error
from graphagg.store.remote.pulling import pull
from graphagg.store.remote.pushing import push
from tests.store_remote.versions import KIND, number_of, read_number, write_version
from tests.unit.commands import Answer

PLACE = address("s3://bucket/idx")


class GenericError(Exception):
    """As obstore's, by name."""


class PermissionDeniedError(GenericError):
    """Likewise."""


LOST = "Error performing PUT http://h/x in 2s, after 1 retries: error sending request"


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (PermissionDeniedError("<Code>RequestTimeTooSkewed</Code>"), ClockOff),
        (GenericError("Error performing PUT http://169.254.169.254/latest"), NoCredentials),
        (FileNotFoundError("not found: <Code>NoSuchBucket</Code>"), NoSuchBucket),
        (PermissionDeniedError("<Code>AccessDenied</Code>"), AccessRefused),
        (PermissionError("no"), AccessRefused),
        (FileNotFoundError("<Code>NoSuchKey</Code>"), FileNotFoundError),
        (
            GenericError("Server returned non-2xx status code: 503 Service Unavailable"),
            StoreUnreachable,
        ),
        (GenericError(LOST), StoreUnreachable),
        (GenericError("HTTP error: request or response body error"), StoreUnreachable),
        (ConnectionResetError("reset"), StoreUnreachable),
        (TimeoutError("slow"), StoreUnreachable),
        (GenericError("Client error with status 400 Bad Request: MalformedXML"), StoreError),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_every_failure_has_a_name(raised: Exception, kind: type[Exception]) -> None:
    assert type(named_error(PLACE, raised)) is kind
    assert kind is FileNotFoundError or "s3://bucket/idx" in str(named_error(PLACE, raised))


@pytest.mark.parametrize(
    ("times", "raised", "kind", "calls"),
    [
        (0, ConnectionResetError("reset"), None, 1),
        (5, ConnectionResetError("reset"), None, 6),
        (6, ConnectionResetError("reset"), StoreUnreachable, 6),
        (1, PermissionDeniedError("AccessDenied"), AccessRefused, 1),
    ],
)
def test_what_may_pass_is_tried_six_times(
    times: int, raised: Exception, kind: type[Exception] | None, calls: int
) -> None:
    asked = []

    def call() -> str:
        asked.append(1)
        if len(asked) <= times:
            raise raised
        return "answer"

    if kind is None:
        assert attempt(PLACE, call) == "answer"
    else:
        with pytest.raises(kind):
            attempt(PLACE, call)
    assert len(asked) == calls


@pytest.mark.parametrize(
    ("url", "extra"),
    [("s3://b/i", "stores"), ("gs://b/i", "stores"), ("https://h/i", "stores"),
     ("abfss://c@a.dfs.core.windows.net/i", "stores"),
     ("hf://datasets/o/r/i", "hf")],
)  # fmt: skip
def test_a_scheme_without_its_extra(url: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = clients.import_module

    def missing(name: str) -> object:
        if name == address(url).scheme.module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name)

    monkeypatch.setattr(clients, "import_module", missing)
    with pytest.raises(MissingExtra, match=rf"pip install .*\[{extra}\]"):
        open_artifact(url)


def test_errors_of_stores_have_exit_codes() -> None:
    wrong_input = {NoCredentials, AccessRefused, NoSuchBucket, NotWritable}
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    for kind in kinds:
        if issubclass(kind, StoreError):
            assert kind.exit_code == (2 if kind in wrong_input else 1)


# --- a site that serves a copied folder -----------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    """Knows no ranges, as plain sites may not."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_folder_on_a_web_site_is_read_as_it_is(site: str, tmp_path: Path) -> None:
    write_version(tmp_path / "site" / "idx", 7)
    url = f"{site}/idx"
    assert read_number(url) == 7
    assert verify(url).kind == KIND
    assert pull(url, tmp_path / "here").fetched == 8
    with open_artifact(tmp_path / "here", verify=True) as artifact:
        assert number_of(artifact) == 7
    with pytest.raises(NotWritable, match="http:// is read-only"):
        push(tmp_path / "here", url)


def test_a_folder_on_the_hub_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file system is asked for the right paths; the hub itself is not asked."""
    hub = pytest.importorskip("huggingface_hub")
    write_version(tmp_path / "datasets" / "owner" / "name" / "idx", 5)

    def cat_file(_: object, path: str, start: int | None = None, end: int | None = None) -> bytes:
        return (tmp_path / path).read_bytes()[start:end]

    monkeypatch.setattr(hub.HfFileSystem, "cat_file", cat_file)
    url = "hf://datasets/owner/name/idx"
    assert read_number(url) == 5
    verify(url)
    with pytest.raises(NotWritable, match="hf:// is read-only"), write_artifact(url):
        pass


# --- the command line -----------------------------------------------------------------------------


def test_commands(tmp_path: Path, call: Callable[..., Answer]) -> None:
    url = "memory://bucket/idx"
    (tmp_path / "edges.txt").write_text("a b\nb c\nc a\n")
    built = call("communities", "build", tmp_path / "edges.txt", "--out", url, "--json").json
    assert built["index"] == url and not built["unchanged"]
    assert call("communities", "query", url, "--seed", "a", "--json").json["members"]
    assert call("info", url, "--json").json["kind"] == "communities"
    assert call("verify", url, "--json").json["intact"]
    fetched = call("pull", url, tmp_path / "idx", "--json").json
    assert fetched["fetched_bytes"] > 0
    assert call("push", tmp_path / "idx", url, "--json").json["sent_bytes"] == 0
    sent = call("push", tmp_path / "idx", "memory://bucket/other", "--json").json
    assert sent["sent_bytes"] == fetched["fetched_bytes"]
    assert "contains no index" in call("info", "memory://nothing").error
    assert (
        "expected an address such as s3://bucket/x"
        in call("push", tmp_path / "idx", tmp_path / "b").error
    )
