"""The code blocks of a Markdown page, and how they are run.

A block's language says what becomes of it:

    bash, sh             run by bash in the page's temporary folder
    python               run in one process, which all Python blocks of a page share
    toml, json           parsed
    text, ...            shown only

Attributes after the language change that:

    title="FILE"         the block is written to FILE, and not run
    output               its lines must be among those that the block before printed, numbers aside
    norun="REASON"       not run: it installs something, or needs what no test has
    slow="REASON"        run by `make test-slow` only
    background="URL"     started, and left running to the end of the page once URL answers
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = ("bash", "sh", "python")
PARSED = ("toml", "json")
SHOWN = ("text", "csv", "jsonl", "markdown", "html", "yaml", "ini", "nginx", "dockerfile", "bibtex")
ATTRIBUTES = ("title", "output", "norun", "slow", "background")

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})(?P<info>.*)$")
_ATTRIBUTE = re.compile(r'([a-z]+)(?:="([^"]*)")?(?:\s+|$)')


@dataclass(frozen=True)
class Block:
    """A code block: its language and attributes, the line of its fence, and its text."""

    page: str
    line: int
    language: str
    attributes: dict[str, str] = field(hash=False)
    text: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language in RUN and not {"norun", "title"} & set(self.attributes)


def pages() -> list[Path]:
    """README, the guides and the skill: every page whose blocks are run."""
    guides = sorted((ROOT / "docs" / "guides").glob("*.md"))
    return [ROOT / "README.md", *guides, ROOT / "skills" / "graphagg" / "SKILL.md"]


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page; an indented or unclosed one is an error."""
    page = path.relative_to(ROOT).as_posix()
    return parse(path.read_text(encoding="utf-8"), page)


def parse(text: str, page: str) -> list[Block]:
    """The blocks of a Markdown text."""
    found: list[Block] = []
    opened: tuple[int, str, str] | None = None
    body: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _FENCE.match(line)
        if opened is None and match:
            if match["indent"]:
                raise ValueError(
                    f"{page}:{number}: an indented block is not run; begin at column 0"
                )
            opened, body = (number, match["fence"], match["info"].strip()), []
        elif opened and match and match["fence"] == opened[1] and not match["info"].strip():
            language, attributes = _info(opened[2], f"{page}:{opened[0]}")
            found.append(Block(page, opened[0], language, attributes, "\n".join(body) + "\n"))
            opened = None
        elif opened:
            body.append(line)
    if opened:
        raise ValueError(f"{page}:{opened[0]}: the block is not closed")
    return found


def _info(info: str, place: str) -> tuple[str, dict[str, str]]:
    language, _, rest = info.partition(" ")
    if language not in RUN + PARSED + SHOWN:
        raise ValueError(
            f"{place}: a block of language {language!r}; known: {RUN + PARSED + SHOWN}"
        )
    if _ATTRIBUTE.sub("", rest).strip():
        raise ValueError(f'{place}: {rest!r} are no attributes, expected name or name="text"')
    attributes = {name: value for name, value in _ATTRIBUTE.findall(rest)}
    if unknown := set(attributes) - set(ATTRIBUTES):
        raise ValueError(f"{place}: attribute {sorted(unknown)[0]!r}; known: {ATTRIBUTES}")
    if any(attributes.get(name) == "" for name in ("norun", "slow", "title", "background")):
        raise ValueError(f"{place}: norun, slow, title and background take a text")
    return language, attributes
