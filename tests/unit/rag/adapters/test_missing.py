"""An adapter without its framework says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("langchain", "langchain_core", "langchain"),
        ("llamaindex", "llama_index", "llamaindex"),
        ("haystack", "haystack", "haystack"),
    ],
)
def test_a_missing_framework(module: str, package: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from graphagg.errors import MissingExtra\n"
        f"try:\n    import graphagg.rag.adapters.{module}\n"
        "except MissingExtra as error:\n    print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f'[{extra}]"' in shown.stdout and "pip install" in shown.stdout


def test_importing_the_folder_needs_no_framework() -> None:
    code = "import sys, graphagg.rag.adapters; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"langchain_core", "llama_index", "haystack"} & set(shown.stdout.split())
