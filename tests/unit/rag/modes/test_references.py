"""Links between documents as links of the graph, and the headings above a chunk as its title."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphagg.rag import ChunkConfig, MultihopConfig, Passage, PassageIndex, read_documents
from graphagg.rag.models.chunking import chunk_documents
from graphagg.rag.tables.gazetteer import REFERENCE
from tests.unit.rag.corpora import build

QUESTION = "How is the pump of the garden serviced?"


@pytest.fixture
def chunks(tmp_path: Path) -> list[Passage]:
    folder = tmp_path / "docs"
    (folder / "parts").mkdir(parents=True)
    for name, text in {
        "pump.md": "# Pump\n\nThe pump of the garden is serviced [here](parts/valve.md#cleaning).",
        "parts/valve.md": "# Valve\n\nIt opens.\n\n## Cleaning\n\nsoap and water do it well.",
        "other.md": "# Other\n\nnothing of it is told on this page at all.",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    return list(chunk_documents(read_documents(folder), ChunkConfig(8, min_words=0)))


@pytest.fixture
def index(chunks: list[Passage], tmp_path: Path) -> Iterator[PassageIndex]:
    with build(chunks, tmp_path / "idx") as index:
        yield index


def test_a_chunk_has_the_trail_of_its_headings_and_what_links_it(chunks: list[Passage]) -> None:
    cleaning = next(chunk for chunk in chunks if chunk.title == "Valve > Cleaning")
    assert cleaning.metadata["heading"] == ["Cleaning"]
    assert "cleaning" in cleaning.metadata["anchors"]
    (linking,) = (chunk for chunk in chunks if "links" in chunk.metadata)
    ((target, offset),) = linking.metadata["links"].items()
    assert target == "parts/valve.md#cleaning" and linking.text[offset:].startswith("here")


def test_a_link_leads_to_the_part_that_it_names(index: PassageIndex) -> None:
    config = MultihopConfig().without("similar-links")
    hits = {hit.passage.title: hit for hit in index.retrieve(QUESTION, 9, config=config)}
    hit = hits["Valve > Cleaning"]
    assert hit.components["reference"] > 0
    (target,) = (hop.text for hop in hit.path if hop.kind == "reference")
    assert target in ("parts/valve", "parts/valve#cleaning")
    assert sum(hop.contribution for hop in hit.path) == pytest.approx(hit.score)
    said = index.explain(QUESTION, hit.passage.id, 9, config=config).reason
    assert said.endswith("leads to it by a reference link")
    off = config.without("reference-links")
    assert not any("reference" in hit.components for hit in index.retrieve(QUESTION, 9, config=off))


def test_without_links_nothing_is_added(chunks: list[Passage], tmp_path: Path) -> None:
    plain = [Passage(c.id, c.text, c.title, {}, c.document, c.position) for c in chunks]
    with build(plain, tmp_path / "plain") as index:
        assert not (index.snapshot.gazetteer.kind & REFERENCE).any()
        off = MultihopConfig().without("reference-links")
        assert index.retrieve(QUESTION, 9) == index.retrieve(QUESTION, 9, config=off)


@pytest.mark.parametrize("first", ["pump.md", "parts/valve.md"])
def test_a_link_holds_in_whatever_order_its_ends_are_added(
    chunks: list[Passage], index: PassageIndex, tmp_path: Path, first: str
) -> None:
    begun = [chunk for chunk in chunks if (chunk.document or chunk.id) == first]
    with build(begun, tmp_path / "grown") as grown:
        grown.add([chunk for chunk in chunks if chunk not in begun])
        found, wanted = (
            {hit.passage.id: hit.score for hit in each.retrieve(QUESTION, 9)}
            for each in (grown, index)
        )
    assert found == pytest.approx(wanted)


REPORTS = {
    "BLUERIVER_2021_10K.txt": "Balance sheet\n\nThe river sold nine boats.",
    "BLUERIVER_2022_10K.txt": "Balance sheet\n\nThe river sold some boats.",
    "reports/acme-2022Q2.txt": "Balance sheet\n\nAll sold boats and river water.",
}


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How many boats did Blue River sell in FY2021?", "BLUERIVER_2021_10K.txt"),
        ("how many boats did blue river sell in fy22?", "BLUERIVER_2022_10K.txt"),
        ("Boats of the second quarter of 2022?", "reports/acme-2022Q2.txt"),
        ("How many boats did ACME sell?", "reports/acme-2022Q2.txt"),
    ],
)
def test_a_question_that_names_a_document_finds_it(
    tmp_path: Path, question: str, name: str
) -> None:
    for path, text in REPORTS.items():
        (tmp_path / "f" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / path).write_text(text)
    with build(read_documents(tmp_path / "f"), tmp_path / "i") as index:
        first, *others = index.retrieve(question, 3)
        assert first.passage.id == name and first.components["document"] > 0.1
        for hit in (first, *others):
            assert sum(hit.components.values()) == pytest.approx(hit.score)
            assert sum(hop.contribution for hop in hit.path) == pytest.approx(hit.score)
        off = MultihopConfig().without("documents")
        assert not any("document" in h.components for h in index.retrieve(question, 3, config=off))
        plain = [Passage(p.id, p.text, p.title) for p in index]
    with build(plain, tmp_path / "plain") as index:
        hits = index.retrieve(question, 3)
        assert not any("document" in hit.components for hit in hits)
