"""Measures size and imports of the code: `python -m benchmarks.house [ROOT [BEFORE]]`.

Prints two tables. The first has lines, and lines of code (neither blank, comment nor docstring), by
package of `graphagg` and by subpackage of `graphagg/rag`. The second has the import graph of each
package: its members (a subpackage, or a module directly in the package), the imports between them,
imports that point up, and import cycles. Imports count at any depth, also imports for types. An
import points up if it goes against a greedy order with as few such imports as possible (Eades, Lin,
Smyth 1993). With another checkout as BEFORE, each figure is `before -> now`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import networkx as nx

from benchmarks.report import print_table

PACKAGES = ("rag", "serve", "store", "communities", "embedding", "nn", "cli", "graph", "spark")


class Size(NamedTuple):
    files: int
    lines: int
    code: int


class Imports(NamedTuple):
    members: int
    imports: int
    up: int
    cycles: int
    largest: int


def main() -> None:
    roots = [Path(root).resolve() for root in sys.argv[1:]] or [Path()]
    now, before = roots[0], roots[1] if len(roots) > 1 else None
    sizes, old_sizes = house(now), house(before) if before else {}
    rows = [
        [name, *pairs(sizes.get(name), old_sizes.get(name) if before else None, Size)]
        for name in dict.fromkeys([*sizes, *old_sizes])
    ]
    print_table(["package", *Size._fields], rows)
    rows = [
        [name, *pairs(imports_of(now, name), imports_of(before, name) if before else None, Imports)]
        for name in PACKAGES
    ]
    header = ("members", "imports", "imports up", "cycles", "members in the largest cycle")
    print_table(["package", *header], rows)


def pairs(now: tuple | None, before: tuple | None, kind: type) -> list[str]:
    """Return the cells of a row: `before -> now`, or one figure if there is nothing to compare."""
    zero = (0,) * len(kind._fields)
    if before is None and now is not None:
        return [f"{value:,}" for value in now]
    both = zip(before or zero, now or zero, strict=True)
    return [f"{old:,}" if old == new else f"{old:,} -> {new:,}" for old, new in both]


def house(root: Path) -> dict[str, Size]:
    """Return the sizes by package, by subpackage of `rag`, and in total."""
    package, sizes = root / "graphagg", dict[str, Size]()
    for path in sorted(package.iterdir()):
        if (path / "__init__.py").is_file():
            sizes[f"graphagg/{path.name}"] = size_of(path.rglob("*.py"))
        for inner in sorted(path.iterdir()) if path.name == "rag" else ():
            if (inner / "__init__.py").is_file():
                sizes[f"- rag/{inner.name}"] = size_of(inner.rglob("*.py"))
    sizes["graphagg/*.py"] = size_of(package.glob("*.py"))
    totals = ("graphagg", "tests", "benchmarks")
    return sizes | {f"**{name}**": size_of((root / name).rglob("*.py")) for name in totals}


def size_of(paths: Iterator[Path]) -> Size:
    """Count files, lines and lines of code."""
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return Size(len(texts), sum(len(text.splitlines()) for text in texts), sum(map(code_of, texts)))


def code_of(text: str) -> int:
    """Count the lines that are neither blank nor comment nor docstring."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                docstrings.update(range(statement.lineno, (statement.end_lineno or 0) + 1))
    return sum(
        number not in docstrings and line.strip()[:1] not in ("", "#")
        for number, line in enumerate(text.splitlines(), 1)
    )


def imports_of(root: Path, package: str) -> Imports:
    """Count the imports inside a package."""
    graph = import_graph(root / "graphagg" / package, f"graphagg.{package}")
    cycles = [c for c in nx.strongly_connected_components(graph) if len(c) > 1]
    largest = max(map(len, cycles), default=0)
    return Imports(len(graph), graph.number_of_edges(), imports_up(graph), len(cycles), largest)


def imports_up(graph: nx.DiGraph) -> int:
    """Count imports against an order with sources at the top and sinks at the bottom."""
    left, top, ground = graph.copy(), list[str](), list[str]()
    while left:
        while sinks := [node for node in left if not left.out_degree(node)]:
            ground = sinks + ground
            left.remove_nodes_from(sinks)
        if left:
            top.append(max(left, key=lambda node: left.out_degree(node) - left.in_degree(node)))
            left.remove_node(top[-1])
    floor = {node: number for number, node in enumerate(top + ground)}
    return sum(floor[a] > floor[b] for a, b in graph.edges)


def import_graph(folder: Path, name: str) -> nx.DiGraph:
    """Return the members of package `name` and their imports, without its own `__init__.py`."""
    graph = nx.DiGraph()
    for path in sorted(folder.rglob("*.py")):
        inner = path.relative_to(folder).parts
        if inner == ("__init__.py",):
            continue
        member = inner[0].removesuffix(".py")
        graph.add_node(member)
        for target in imported(ast.parse(path.read_text(encoding="utf-8"))):
            below = target.removeprefix(f"{name}.").split(".")[0]
            is_member = (folder / below).is_dir() or (folder / f"{below}.py").is_file()
            if target.startswith(f"{name}.") and is_member and below != member:
                graph.add_edge(member, below)
    return graph


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the full names that a file imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


if __name__ == "__main__":
    main()
