"""A service says when it is ready, and why it cannot start."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from graphagg.errors import MissingModel
from graphagg.rag import PassageIndex
from graphagg.rag.models.by_name import IndexModels, check_installed
from graphagg.serve.service import Service, Sources
from graphagg.store.manifest import MANIFEST_NAME
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor
from tests.unit.commands import run
from tests.unit.serve.live import SECONDS, HeldEncoder, Live, patient, serving, until


@contextmanager
def eager(sources: Sources) -> Iterator[Live]:
    with serving(Service(sources, patient(), lazy=False)) as running:
        yield running


def status(live: Live) -> tuple[int, str]:
    answer = live.get("/readyz")
    return answer.status_code, answer.json()["status"]


def test_a_slow_model_is_waited_for_and_the_process_lives_meanwhile(indices: Sources) -> None:
    encoder = HeldEncoder()
    with eager(replace(indices, encoder=encoder)) as live:
        assert encoder.entered.wait(SECONDS)
        assert status(live) == (503, "loading")
        assert live.json("/healthz") == {"status": "ok"}
        assert "graphagg_ready 0.0" in live.get("/metrics").text
        encoder.gate.set()
        until(lambda: status(live) == (200, "ready"))
        assert "graphagg_ready 1.0" in live.get("/metrics").text
        live.service.stopping = True
        assert status(live) == (503, "stopping")


def test_the_extractor_is_loaded_at_the_first_question_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, extractor = FakeEncoder(), FakeExtractor()
    models = {"encoder": encoder, "extractor": extractor}
    PassageIndex.build(CORPUS, tmp_path / "idx", **models).close()
    loaded: list[str] = []
    load = IndexModels.extractor
    monkeypatch.setattr(
        IndexModels, "extractor", lambda models: loaded.append("extractor") or load(models)
    )
    with eager(Sources(tmp_path / "idx", encoder=encoder, extractor=extractor)) as live:
        until(lambda: status(live) == (200, "ready"))
        assert not loaded
        question = {"question": "Who founded Lyon?", "mode": "linearrag"}
        assert live.post("/v1/passages/search", question).status_code == 200
        assert loaded


def test_without_passages_there_is_nothing_to_load(indices: Sources) -> None:
    with eager(Sources(communities=indices.communities)) as live:
        assert status(live) == (200, "ready")


def test_a_lazy_service_is_ready_at_once(indices: Sources) -> None:
    with serving(Service(replace(indices, encoder=HeldEncoder()), patient())) as live:
        assert status(live) == (200, "ready")


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    """An index by models that are nowhere."""
    models = {"encoder": FakeEncoder("no/such-model"), "extractor": FakeExtractor()}
    PassageIndex.build(CORPUS, tmp_path / "idx", **models).close()
    return tmp_path / "idx"


def test_a_model_that_is_not_there_is_named_at_the_start(
    unknown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def network(*arguments: object, **options: object) -> None:
        raise AssertionError("a hub was asked")

    monkeypatch.setattr("socket.socket.connect", network)
    with pytest.raises(MissingModel, match=r"encoder 'no/such-model'.*(lazy|--lazy)"):
        Service(Sources(unknown), lazy=False)
    with pytest.raises(MissingModel, match="extractor 'capitals'"):
        Service(Sources(unknown, encoder=FakeEncoder("no/such-model")), lazy=False)
    Service(Sources(unknown)).close()


def test_the_command_refuses_to_start_any_worker(unknown: Path) -> None:
    refused = run("serve", "--passages", unknown, "--port", 0, "--workers", 2)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert "no/such-model" in refused.stderr and "serving on" not in refused.stderr


def test_a_model_that_cannot_be_loaded_ends_the_command(tmp_path: Path) -> None:
    """Its folder is there, but holds no model: that is seen when it is loaded."""
    folder = tmp_path / "model"
    folder.mkdir()
    models = {"encoder": FakeEncoder(str(folder)), "extractor": FakeExtractor()}
    PassageIndex.build(CORPUS, tmp_path / "idx", **models).close()
    manifest = tmp_path / "idx" / MANIFEST_NAME
    recorded = json.loads(manifest.read_text())["models"]
    named = {"encoder": recorded["encoder"], "extractor": {"name": "rule:xx"}}
    check_installed(named)
    refused = run("serve", "--passages", tmp_path / "idx", "--port", 0)
    assert refused.returncode == 2 and "capitals" in refused.stderr


def test_what_is_published_and_cannot_be_opened_shows(
    indices: Sources, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another revision, then a folder that is gone, then what was there before."""
    assert indices.passages
    place = tmp_path / "passages"
    shutil.copytree(indices.passages, place)
    manifest = place / MANIFEST_NAME
    before = manifest.read_text()
    with eager(replace(indices, passages=place)) as live:
        until(lambda: status(live) == (200, "ready"))
        changed = json.loads(before)
        changed["format_version"] = 10**6
        published(manifest, json.dumps(changed))
        until(lambda: live.json("/readyz")["problems"] != {})
        assert live.json("/readyz") == {
            "status": "ready", "problems": {"passages": "UnsupportedFormat"},
        }  # fmt: skip
        wanted = 'graphagg_index_problem{error="UnsupportedFormat",kind="passages"} 1.0'
        assert wanted in live.get("/metrics").text
        place.rename(tmp_path / "elsewhere")
        until(lambda: live.json("/readyz")["problems"] == {"passages": "NotAnArtifact"})
        assert wanted not in live.get("/metrics").text
        assert live.json("/v1/passages/search", {"question": "Who is Ada?"})["hits"]
        (tmp_path / "elsewhere").rename(place)
        published(manifest, before)
        until(lambda: live.json("/readyz")["problems"] == {})
        assert "graphagg_index_problem{" not in live.get("/metrics").text
        assert 'outcome="failed"' in live.get("/metrics").text
    said = [r.message for r in caplog.records if "cannot be opened" in r.message]
    assert len(said) == 2  # once for each problem, however often it was tried


def test_a_version_by_another_model_is_served_once_its_model_is_there(
    indices: Sources, tmp_path: Path
) -> None:
    place = tmp_path / "passages"
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    PassageIndex.build(CORPUS, place, **models).close()
    with eager(Sources(place, **models)) as live:
        until(lambda: status(live) == (200, "ready"))
        other = {"encoder": FakeEncoder("no/such-model"), "extractor": FakeExtractor()}
        PassageIndex.build(CORPUS, place, **other).close()
        until(lambda: live.json("/readyz")["problems"] == {"passages": "MissingModel"})
        assert live.json("/v1/passages/search", {"question": "Who is Ada?"})["hits"]


def published(manifest: Path, text: str) -> None:
    new = manifest.with_suffix(".new")
    new.write_text(text)
    new.replace(manifest)
    time.sleep(0)
