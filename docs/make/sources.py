"""Gathers the pages of the site: `make docs` runs this, then the site builder.

    python docs/make/sources.py build/docs     every page, as Markdown
    python docs/make/sources.py build/docs --finish build/site
                                               what the builder leaves out: Markdown beside HTML

Pages come from docs/, from files of the repository's root, and from the program: the reference of
the command line and of Python (`reference.py`), and results that benchmarks keep (`results.py`).
Links are written as files of the repository, so that they also work where it is browsed; here they
become links to pages, or to the repository where the site has no such page.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import re
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

from mkdocs.utils.yaml import yaml_load

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the pages are about this tree, whatever is installed

# PyTorch's word to those who call `torch.jit`: PyTorch Geometric does, when it is imported.
warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is (deprecated|not supported)")

import reference  # noqa: E402
import results  # noqa: E402

PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "indices/README.md": "index-format.md",
    "skills/graphagg/SKILL.md": "skill.md",
}
"""Files outside docs/ that are pages: where they lie in the repository, and in the site."""

_FENCE = re.compile(r"^(`{3,}|~{3,})[\s\S]*?^\1[ \t]*$", re.MULTILINE)
_LINK = re.compile(r"(!?\[[^\]]*\]\(|(?:src|href)=\")([^)\s\"]+)")
_URL = re.compile(r"[a-z][a-z0-9+.-]*:|#|//", re.IGNORECASE)


def main() -> None:
    """Write the sources, or finish the built site."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the pages; its content is replaced")
    parser.add_argument("--finish", type=Path, help="the built site", metavar="SITE")
    given = parser.parse_args()
    if given.finish:
        finish(given.folder, given.finish)
    else:
        write(given.folder)


def write(folder: Path) -> None:
    """Write all pages and pictures into a folder, in place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("make", "*.json", "*.md"))
    pages = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")]
    written = {source: page_of(source) for source in sorted([*pages, *PAGES])}
    made = reference.pages() | results.pages(ROOT / "docs" / "results")
    targets = {page for page in written.values()} | set(made)
    pictures = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    settings = read_settings()
    for source, page in written.items():
        text = _without_front_matter((ROOT / source).read_text(encoding="utf-8"))
        text = results.filled(text, ROOT / "docs")
        made[page] = mended(text, source, page, targets | pictures, settings["extra"]["repository"])
    made["llms.txt"] = llms(settings, made)
    for page, text in made.items():
        path = folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def page_of(source: str) -> str:
    """The page of a file of the repository in the site; a folder is its index."""
    if source in PAGES:
        return PAGES[source]
    source = f"{source}/README.md" if (ROOT / source).is_dir() else source
    return source.removeprefix("docs/").replace("README.md", "index.md")


def finish(folder: Path, site: Path) -> None:
    """Put the Markdown of each page beside its HTML."""
    for path in folder.rglob("*.md"):
        shutil.copyfile(path, site / path.relative_to(folder))
    for page, text in reference.plain_api().items():
        (site / page).write_text(text, encoding="utf-8")


def read_settings() -> dict[str, Any]:
    """The settings of the site."""
    return yaml_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def llms(settings: dict[str, Any], made: dict[str, str]) -> str:
    """`llms.txt`: every page with its title, in the order of the navigation."""
    lines = [f"# {settings['site_name']}", "", f"> {settings['site_description'].strip()}", ""]
    listed: list[str] = []

    def add(items: list[Any], top: bool) -> None:
        for item in items:
            name, value = next(iter(item.items())) if isinstance(item, dict) else ("", item)
            if isinstance(value, list):
                if top:
                    lines.extend(["", f"## {name}", ""])
                add(value, False)
            else:
                lines.append(f"- [{title(made[value])}]({value})")
                listed.append(value)

    add(settings["nav"], True)
    rest = sorted(page for page in set(made) - set(listed) if page.endswith(".md"))
    lines += ["", "## Optional", ""] + [f"- [{title(made[page])}]({page})" for page in rest]
    return "\n".join(lines) + "\n"


def title(text: str) -> str:
    """The first heading of a page."""
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    if heading is None:
        raise ValueError(f"a page without a heading: {text[:80]!r}")
    return heading.group(1)


def mended(text: str, source: str, page: str, targets: set[str], repository: str) -> str:
    """The text with its links as the site wants them; code blocks stay as they are."""
    pieces, outside = [], 0
    for block in _FENCE.finditer(text):
        pieces += [_links(text[outside : block.start()], source, page, targets, repository)]
        pieces += [_shown(block.group())]
        outside = block.end()
    return "".join(pieces) + _links(text[outside:], source, page, targets, repository)


def _shown(block: str) -> str:
    """A code block with the attributes that the site shows: its title."""
    first, _, rest = block.partition("\n")
    return re.sub(r'\s(?!title=)[a-z]+(="[^"]*")?(?=\s|$)', "", first) + "\n" + rest


def _links(text: str, source: str, page: str, targets: set[str], repository: str) -> str:
    def mend(match: re.Match[str]) -> str:
        before, target = match.groups()
        if _URL.match(target):
            return match.group()
        path, mark, anchor = target.partition("#")
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        linked = page_of(inside)
        if linked in targets and (inside in PAGES or inside.startswith("docs/")):
            return before + os.path.relpath(linked, posixpath.dirname(page) or ".") + mark + anchor
        kind = "tree" if (ROOT / inside).is_dir() else "blob"
        return f"{before}{repository}/{kind}/main/{inside}{mark}{anchor}"

    return _LINK.sub(mend, text)


def _without_front_matter(text: str) -> str:
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)


if __name__ == "__main__":
    main()
