"""Tests the rules of ARCHITECTURE.md: layers, imports, and the size of the package.

Imports under `TYPE_CHECKING` and inside functions count as well.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import networkx as nx
import pytest

from benchmarks.house import PACKAGES, import_graph, size_of
from tests.unit.test_examples import EXAMPLES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "graphagg"
FILES = sorted(PACKAGE.rglob("*.py"))
LAYERS = (
    {"arrays", "checks", "errors", "extras", "fields", "kernels", "lazy", "progress"},
    {"store", "tables"},
    {"execution", "nearest"},
    {"spark"},
    {"graph"},
    {"minhash"},
    {"rag", "communities", "embedding", "nn"},  # capabilities: none imports another
    {"serve"},
    {"cli"},
    {"jobs", "__main__"},
)
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}
MOST_FILES = 15
LINES, CODE = 58_500, 37_880


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


@cache
def imported(path: Path) -> set[str]:
    """The modules of graphagg that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = members & MODULES.keys()
            names |= inner
            if len(inner) < len(members):
                names.add(node.module)
    return (names & MODULES.keys()) - {module(path)}


def layer(name: str) -> str:
    """Return the name of a module in `LAYERS`; the package itself is in the lowest layer."""
    return name.split(".")[1] if "." in name else "errors"


def test_imports_point_down_and_capabilities_do_not_import_each_other():
    wrong = [
        f"{name} -> {target}"
        for name, path in MODULES.items()
        for target in imported(path)
        if layer(target) != layer(name) and FLOOR[layer(target)] >= FLOOR[layer(name)] > 0
    ]
    assert not wrong


def test_no_file_imports_itself_through_others():
    graph = {name: imported(path) for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_no_import_cycles(package):
    graph = import_graph(PACKAGE / package, f"graphagg.{package}")
    cycles = [sorted(each) for each in nx.strongly_connected_components(graph) if len(each) > 1]
    assert not cycles, f"import cycles in {package}: {cycles}"


def test_the_package_keeps_its_budget():
    size = size_of(PACKAGE.rglob("*.py"))
    assert size.lines <= LINES and size.code <= CODE, (
        f"graphagg has {size.lines:,} lines and {size.code:,} of code, the limit is {LINES:,} and "
        f"{CODE:,}: remove something; the limit only falls (docs/decisions/budget.md)"
    )


def test_class_names_are_unique():
    names = Counter(
        node.name.lstrip("_")
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_docstrings_have_examples():
    """At least 60, over all five packages; `test_examples.py` runs them."""
    assert len(EXAMPLES) >= 60
    packages = {example.module.split(".")[1] for example in EXAMPLES}
    assert packages >= {"rag", "communities", "embedding", "nn", "graph"}


def test_no_folder_has_too_many_files():
    folders = {path.parent for path in FILES}
    crowded = {str(f): n for f in folders if (n := len(list(f.glob("*.py")))) > MOST_FILES}
    assert not crowded


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_a_page_names_are_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:graphagg|tests|benchmarks|jobs|indices)/[\w/.-]+)`", text)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "trip",
    [
        "A question through `multihop`",
        "A passage through indexing",
        "An edge through an index of communities",
        "A seed through a query",
        "An edge through embedding",
        "A batch through GPS",
    ],
)
def test_each_step_of_a_trip_names_its_file(trip):
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.partition(f"### {trip}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    steps = re.findall(r"^\d+\. (.*(?:\n   .*)*)", section, re.MULTILINE)
    assert len(steps) > 5
    assert [step for step in steps if "`graphagg/" not in step] == []


@pytest.mark.parametrize("trip", ["A question through `multihop`", "A passage through indexing"])
def test_a_trip_is_short(trip):
    """At most 15 files, and each is visited once: its name stands in one step."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    steps = text.partition(f"### {trip}\n")[2].partition("\n###")[0]
    visited = re.findall(r"`(graphagg/[\w/]+\.py)`", steps)
    assert 5 < len(visited) <= 15 and len(set(visited)) == len(visited)


def test_decisions_are_listed():
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert sorted([*listed, "README.md"]) == sorted(path.name for path in folder.glob("*.md"))
