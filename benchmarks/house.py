"""The house in figures: `python -m benchmarks.house [ROOT]`.

Counts lines, files a folder, circles and floors of imports (those for types and inside functions
included), kernels, their comments and arguments, and where an option is declared.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import networkx as nx

Functions = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    sources = {path: path.read_text(encoding="utf-8") for path in (root / "graphagg").rglob("*.py")}
    print("| figure | |\n| --- | ---: |")
    for name, value in figures(root, sources):
        print(f"| {name} | {value} |")


def figures(root: Path, sources: dict[Path, str]) -> Iterator[tuple[str, object]]:
    yield "lines of graphagg/ (Python)", lines_below(root / "graphagg")
    yield "lines of tests/", lines_below(root / "tests")
    yield "lines of benchmarks/", lines_below(root / "benchmarks")
    yield "files of graphagg/", len(sources)
    crowded = Counter(path.parent for path in sources).most_common(3)
    yield (
        "most files in one folder",
        ", ".join(f"{count} {folder.relative_to(root)}" for folder, count in crowded),
    )
    yield (
        "folders with more than 15 files",
        sum(count > 15 for count in Counter(path.parent for path in sources).values()),
    )
    graph = imports(root, sources)
    circles = [part for part in nx.strongly_connected_components(graph) if len(part) > 1]
    yield "circles of imports, and files in them", f"{len(circles)}, {sum(map(len, circles))}"
    floors = nx.condensation(graph)
    yield "floors of files", nx.dag_longest_path_length(floors) + 1
    trees = {path: ast.parse(text) for path, text in sources.items()}
    kernels = [(p, f) for p, tree in trees.items() for f in functions(tree) if is_kernel(f)]
    yield "kernels (numba)", len(kernels)
    yield "kernels with more than 7 arguments", sum(arguments(f) > 7 for _, f in kernels)
    yield "kernels without a docstring", sum(ast.get_docstring(f) is None for _, f in kernels)
    body = sum(len(lines_of(f)) for _, f in kernels)
    comments = sum(len(commented(sources[p]) & lines_of(f)) for p, f in kernels)
    yield "comments per 100 lines of kernels", f"{100 * comments / body:.1f}"
    yield (
        "declarations of the option `partitioner`",
        sum(declares(node, "partitioner") for tree in trees.values() for node in ast.walk(tree)),
    )
    yield (
        "functions of more than 40 lines",
        sum(length(f) > 40 for tree in trees.values() for f in functions(tree)),
    )
    yield "asserts", sum(isinstance(n, ast.Assert) for t in trees.values() for n in ast.walk(t))


def lines_below(folder: Path) -> int:
    return sum(len(p.read_text(encoding="utf-8").splitlines()) for p in folder.rglob("*.py"))


def imports(root: Path, sources: dict[Path, str]) -> nx.DiGraph:
    names = {}
    for path in sources:
        parts = path.relative_to(root).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    for name, path in names.items():
        for node in ast.walk(ast.parse(sources[path])):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                targets = inner & names.keys() or {node.module} & names.keys()
                graph.add_edges_from((name, target) for target in targets if target != name)
    return graph


def functions(tree: ast.AST) -> Iterator[Functions]:
    return (node for node in ast.walk(tree) if isinstance(node, Functions))


def is_kernel(function: Functions) -> bool:
    return any(
        "njit" in ast.unparse(d) or "vectorize" in ast.unparse(d) for d in function.decorator_list
    )


def arguments(function: Functions) -> int:
    return len(function.args.posonlyargs) + len(function.args.args)


def length(function: Functions) -> int:
    """Lines of the body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def lines_of(function: Functions) -> set[int]:
    first = function.body[1 if ast.get_docstring(function) is not None and function.body[1:] else 0]
    return set(range(first.lineno, (function.end_lineno or first.lineno) + 1))


def commented(text: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    words = ("# type:", "# noqa", "# fmt:")
    return {
        t.start[0] for t in tokens if t.type == tokenize.COMMENT and not t.string.startswith(words)
    }


def declares(node: ast.AST, option: str) -> bool:
    """An annotated field or parameter, which is how options are declared."""
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and node.target.id == option
    return isinstance(node, ast.arg) and node.arg == option and node.annotation is not None


if __name__ == "__main__":
    main()
