"""Examples in docstrings of graphagg run, each in an empty folder, if their extra is installed."""

from __future__ import annotations

import ast
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from graphagg.errors import MissingExtra

ROOT = Path(__file__).parents[2]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Example(NamedTuple):
    """A docstring with an example: its module, the name of the object, text and line."""

    module: str
    name: str
    text: str
    line: int


def examples() -> Iterator[Example]:
    """Every docstring that contains `>>>`; nothing is imported."""
    for path in sorted((ROOT / "graphagg").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if ">>>" in source:
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield from _of(ast.parse(source), module, "")


def _of(node: ast.AST, module: str, name: str) -> Iterator[Example]:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if isinstance(node, kinds) and ">>>" in (ast.get_docstring(node) or ""):
        statement = node.body[0]
        yield Example(module, name, ast.get_docstring(node) or "", statement.lineno)
    for child in ast.iter_child_nodes(node):
        inner = getattr(child, "name", "")
        yield from _of(child, module, f"{name}.{inner}".strip(".") if inner else name)


EXAMPLES = list(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e.module}.{e.name}" for e in EXAMPLES])
def test_example(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(example.module)
    except (ImportError, MissingExtra) as error:
        pytest.skip(str(error))
    test = doctest.DocTestParser().get_doctest(
        example.text, dict(vars(module)), example.name, module.__file__, example.line
    )
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    failed = runner.run(test, out=told.append).failed
    if "MissingExtra" in "".join(told):
        pytest.skip("an extra is not installed")
    assert not failed, "".join(told)
