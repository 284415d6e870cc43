"""The words of the project: `python -m tests.language [PATH ...]` lists words to mend.

It reads docstrings, comments and the texts of strings in Python files, paragraphs of Markdown files
outside code blocks, and names that functions bind. A finding is a line `FILE:LINE: why: text`.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PLAIN = "say it plainly"
UNITS = (
    "row|node|edge|text|vertex|task|band|passage|question|graph|block|token|name|entity|pair|entry|"
    "document|file|piece|sentence|word|batch|layer|head|key|seed|term|theme|line|second|query|level|"
    "community|element|column|segment|request|worker|process|language|epoch|list"
)
COUNTED = (
    "rows?|nodes?|edges?|texts?|bytes?|slots?|entries|entry|values?|numbers?|vectors?|vertices|bits|"
    "lists?|arrays?|floats?|integers?|lines?|tokens?|words?|places?|parts?|files?|milliseconds|"
    "seconds|microseconds|terms?|products?|counts?|scores?|annotations?|sentences?|"
    "passages?|questions?|blocks?|steps?|bands?|hashes|degrees?|once|one|all|GiB|MiB|MB|ms"
)
# "the words a sentence holds" is a clause, and no "words per sentence".
CLAUSE = (
    "holds?|may|has|have|needs?|can|gives?|names?|finds?|takes?|is|asks?|leads?|shares?|must|of"
)
GRAMMAR = (
    (re.compile(rf"\b(?:{COUNTED}) an? (?:{UNITS})\b(?! (?:{CLAUSE})\b)"), "say `per`"),
    (re.compile(r"\b(?:those|that|these) of\b", re.IGNORECASE), "name the thing"),
    (
        re.compile(r"\b(?:as many as there are|of now|where that is so|if in doubt|see there)\b"),
        PLAIN,
    ),
    (
        re.compile(
            r"\b(?:is|are) told\b(?! (?:apart|to|how|what|before|by|that)\b)|\bso many of\b"
        ),
        PLAIN,
    ),
    (
        re.compile(r"(?:^|[:;.|(] )(?:what is|how many)\b(?! this)", re.I),
        "name the thing",
    ),
)
# A docstring begins with a verb or with a noun phrase that names the thing.
HEADLESS = re.compile(
    r"(?:Of|What|How|Which|Who|Whom|Whose|Where|When|Those|That|These|Likewise|Here|There|"
    r"As|So|Not|No|None)\b"
)
ROOTS = ("graphagg", "docs", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
LOCALS = frozenset("found part parts place places own known wanted number numbers things".split())


class Finding(NamedTuple):
    path: Path
    line: int
    why: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.why}: {self.text}"


def findings(path: Path) -> Iterator[Finding]:
    """Words to mend in one file."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from _grammar(path, _prose(source))
    else:
        tree = ast.parse(source)
        yield from _grammar(path, _texts(tree))
        yield from _grammar(path, _comments(source))
        yield from _headless(path, tree)
        yield from _locals(path, tree)


def _grammar(path: Path, texts: Iterator[tuple[int, str]]) -> Iterator[Finding]:
    for line, text in texts:
        folded = re.sub(r"\s+", " ", text)
        for pattern, why in GRAMMAR:
            for match in pattern.finditer(folded):
                begin, end = max(match.start() - 30, 0), match.end() + 30
                yield Finding(path, line, why, folded[begin:end].strip())


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Strings with a space in them; of an f-string its constant pieces."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs outside fenced code, with the line on which each begins."""
    fenced, start, lines = False, 1, list[str]()
    for line_number, line in enumerate([*text.splitlines(), ""], 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if fenced or not line.strip() or line.lstrip().startswith("```"):
            if lines:
                yield start, " ".join(lines)
            lines = []
        else:
            start = start if lines else line_number
            lines.append(re.sub(r"`[^`]*`", "`x`", line))


def _headless(path: Path, tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text and HEADLESS.match(text):
                first = text.splitlines()[0]
                yield Finding(path, node.body[0].lineno, "begin with a verb or a noun", first)


def _locals(path: Path, tree: ast.Module) -> Iterator[Finding]:
    """Parameters and names that functions bind; a field of a class is a key that users know."""
    classes = [node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    keys = {id(each.target) for body in classes for each in body if isinstance(each, ast.AnnAssign)}
    for node in ast.walk(tree):
        if id(node) in keys:
            continue
        if isinstance(node, ast.arg) and node.arg in LOCALS:
            yield Finding(path, node.lineno, "name it for what it holds", node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in LOCALS:
            yield Finding(path, node.lineno, "name it for what it holds", node.id)


def main(paths: list[str]) -> int:
    """Print the findings of files and folders; 1 where there are any."""
    roots = [Path(path) for path in paths or ROOTS]
    files = [
        file
        for root in roots
        for file in ([root] if root.is_file() else sorted(root.rglob("*")))
        if file.suffix in {".py", ".md"}
    ]
    every = [finding for file in files for finding in findings(file)]
    print(*every, sep="\n")
    print(f"{len(every)} findings in {len(files)} files")
    return bool(every)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
