"""The size and the rooms of the code: `python -m benchmarks.house [ROOT [BEFORE]]`.

Prints one table of lines and of lines of code (neither blank, comment nor docstring) by package of
`graphagg` and by room of `graphagg/rag`, and one of the room graph of each package: rooms, arrows
between them, arrows that run up, and circles with the rooms in them. A room is a folder, or a file
directly in the package; imports count at any depth, also those for types. An arrow runs up where
the rooms are drawn with as many arrows down as a greedy order finds (Eades, Lin, Smyth 1993). With
another checkout as BEFORE, every figure is `before -> now`.
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


class Rooms(NamedTuple):
    rooms: int
    arrows: int
    up: int
    circles: int
    largest: int


def main() -> None:
    roots = [Path(root).resolve() for root in sys.argv[1:]] or [Path()]
    now, before = roots[0], roots[1] if len(roots) > 1 else None
    sizes, old_sizes = house(now), house(before) if before else {}
    rows = [
        [name, *pairs(sizes.get(name), old_sizes.get(name) if before else None, Size)]
        for name in dict.fromkeys([*sizes, *old_sizes])
    ]
    print_table(["room", *Size._fields], rows)
    rows = [
        [name, *pairs(graph_of(now, name), graph_of(before, name) if before else None, Rooms)]
        for name in PACKAGES
    ]
    header = ("rooms", "arrows", "arrows up", "circles", "rooms in the largest circle")
    print_table(["package", *header], rows)


def pairs(now: tuple | None, before: tuple | None, kind: type) -> list[str]:
    """Cells of a row: `before -> now`, or the figure where there is nothing to compare."""
    zero = (0,) * len(kind._fields)
    if before is None and now is not None:
        return [f"{value:,}" for value in now]
    both = zip(before or zero, now or zero, strict=True)
    return [f"{old:,}" if old == new else f"{old:,} -> {new:,}" for old, new in both]


def house(root: Path) -> dict[str, Size]:
    """Sizes by room of `rag`, by package, and of all."""
    package, sizes = root / "graphagg", dict[str, Size]()
    for path in sorted(package.iterdir()):
        if (path / "__init__.py").is_file():
            sizes[f"graphagg/{path.name}"] = size_of(path.rglob("*.py"))
        for room in sorted(path.iterdir()) if path.name == "rag" else ():
            if (room / "__init__.py").is_file():
                sizes[f"- rag/{room.name}"] = size_of(room.rglob("*.py"))
    sizes["graphagg/*.py"] = size_of(package.glob("*.py"))
    totals = ("graphagg", "tests", "benchmarks")
    return sizes | {f"**{name}**": size_of((root / name).rglob("*.py")) for name in totals}


def size_of(paths: Iterator[Path]) -> Size:
    """Files, lines and lines of code."""
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return Size(len(texts), sum(len(text.splitlines()) for text in texts), sum(map(code_of, texts)))


def code_of(text: str) -> int:
    """Lines that are neither blank nor a comment nor a docstring."""
    told: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                told.update(range(statement.lineno, (statement.end_lineno or 0) + 1))
    return sum(
        number not in told and line.strip()[:1] not in ("", "#")
        for number, line in enumerate(text.splitlines(), 1)
    )


def graph_of(root: Path, package: str) -> Rooms:
    """The room graph of a package in figures."""
    graph = rooms(root / "graphagg" / package, f"graphagg.{package}")
    circles = [c for c in nx.strongly_connected_components(graph) if len(c) > 1]
    largest = max(map(len, circles), default=0)
    return Rooms(len(graph), graph.number_of_edges(), arrows_up(graph), len(circles), largest)


def arrows_up(graph: nx.DiGraph) -> int:
    """Arrows against an order with rooms that nobody imports at the top, and sinks below."""
    left, top, ground = graph.copy(), list[str](), list[str]()
    while left:
        while sinks := [room for room in left if not left.out_degree(room)]:
            ground = sinks + ground
            left.remove_nodes_from(sinks)
        if left:
            top.append(max(left, key=lambda r: left.out_degree(r) - left.in_degree(r)))
            left.remove_node(top[-1])
    floor = {room: number for number, room in enumerate(top + ground)}
    return sum(floor[a] > floor[b] for a, b in graph.edges)


def rooms(folder: Path, name: str) -> nx.DiGraph:
    """Rooms of a package, and an arrow to each room that one imports; its face is no room."""
    graph = nx.DiGraph()
    for path in sorted(folder.rglob("*.py")):
        inner = path.relative_to(folder).parts
        if inner == ("__init__.py",):
            continue
        room = inner[0].removesuffix(".py")
        graph.add_node(room)
        for target in imported(ast.parse(path.read_text(encoding="utf-8"))):
            below = target.removeprefix(f"{name}.").split(".")[0]
            is_room = (folder / below).is_dir() or (folder / f"{below}.py").is_file()
            if target.startswith(f"{name}.") and is_room and below != room:
                graph.add_edge(room, below)
    return graph


def imported(tree: ast.Module) -> Iterator[str]:
    """Full names that a file imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


if __name__ == "__main__":
    main()
