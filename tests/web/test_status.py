"""The page says when another version is served than the one it shows, or when one is broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from graphagg.rag import PassageIndex
from graphagg.serve.service import Service, Sources
from graphagg.store.manifest import MANIFEST_NAME
from tests.unit.serve.live import patient, serving, until
from tests.unit.serve.test_ready import published
from tests.web.browser import DESKTOP, PHONE, Page

pytestmark = [pytest.mark.web, pytest.mark.slow]


def test_a_newer_version_and_a_broken_one_are_said(
    visit: Callable[[str], Page], small: Sources, tmp_path: Path
) -> None:
    assert small.passages
    place = tmp_path / "passages"
    shutil.copytree(small.passages, place)
    sources = replace(small, passages=place, communities=None, embedding=None)
    with serving(Service(sources, patient()), poll_seconds=0.05) as live:
        page = visit(live.url)
        page.open("#/passages")
        page.ask("Who is Hugh?")
        assert page.all("#status") == []  # what is shown is what there is
        models = {"encoder": small.encoder, "extractor": small.extractor}
        with PassageIndex.open(place, **models) as index:  # type: ignore[arg-type]
            index.delete([next(iter(index)).id])
            wanted = index.manifest.data
        until(lambda: live.json("/v1/info")["passages"]["version"] == wanted)
        page.ask("Who was his father?")
        assert page.wait_text("#status", "newer version of the passages").endswith("Show it")
        page.click("#status button")
        page.until(lambda: not page.all("#status") and page.all("#hits-about"), "it is shown")
        manifest = place / MANIFEST_NAME
        published(
            manifest, json.dumps(json.loads(manifest.read_text()) | {"format_version": 10**6})
        )
        until(lambda: live.json("/readyz")["problems"] != {})
        page.ask("Who is Hugh?")
        page.wait_text("#status", "cannot be opened")
        for size in (DESKTOP, PHONE):
            page.look(size)
            wide = page.js("return document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{wide} pixels are beyond the screen"
