"""The examples of the guide to integrations run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT, blocks_of

GUIDE = ROOT / "docs" / "guides" / "integrations.md"


@pytest.fixture
def run(demo_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the example with a line where `idx` is the demo's index; gives what it defines."""
    (tmp_path / "idx").symlink_to(demo_index)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

    def run(line: str) -> dict[str, Any]:
        (block,) = (each for each in blocks_of(GUIDE) if line in each.text)
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(block.text, block.place, "exec"), names)
        return names

    return run


def test_a_langchain_chain(run) -> None:
    assert run('LangChainRetriever(index="idx"')["answer"] == "The Vistula."


def test_a_llamaindex_query_engine(run, capsys: pytest.CaptureFixture[str]) -> None:
    found = run("LlamaIndexRetriever(")["answer"]
    assert {node.node_id for node in found.source_nodes} >= {"curie-marie", "warsaw"}
    assert "river Vistula" in str(found)  # the stand-in repeats its prompt
    assert "Warsaw" in capsys.readouterr().out


def test_notes_in_langchain(run) -> None:
    notes = run("LangChainRetriever(index=index")
    assert [document.id for document in notes["passages"]] == ["1822"]
    assert notes["answer"] == "The Difference Engine."


def test_an_mcp_client(run) -> None:
    answer = run("stdio_client(")["answer"]
    assert "[1] curie-marie " in answer and "from curie-marie via Warsaw" in answer


def test_importing_the_folder_needs_no_framework() -> None:
    code = "import sys, graphagg.rag.adapters; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"langchain_core", "llama_index"} & set(shown.stdout.split())
