"""The reference pages: of the commands, by cyclopts; of Python, by what each package exports."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import griffe
from cyclopts import App

API = {
    "rag": ("graphagg.rag",),
    "communities": ("graphagg.communities",),
    "embedding": ("graphagg.embedding",),
    "graph": ("graphagg.graph",),
    "nn": ("graphagg.nn", "graphagg.nn.training"),
    "store": ("graphagg.store",),
}
"""Pages of the Python reference, with the packages on each."""

ROOT = Path(__file__).parents[2]


def pages() -> dict[str, str]:
    """The Markdown of all reference pages, by their place in the site."""
    return _commands() | _api()


def _commands() -> dict[str, str]:
    from graphagg.cli.main import app

    commands = {name: each for name, each in app.resolved_commands().items() if name[0] != "-"}
    groups = {name: each for name, each in commands.items() if each.default_command is None}
    made = {f"reference/cli/{name}.md": _docs(group, name, 1) for name, group in groups.items()}
    listed = "\n".join(
        f"* [`graphagg {name}`]({name}.md): {group.help}" for name, group in groups.items()
    )
    head = "# Command line\n\nMade from the program; `graphagg COMMAND --help` shows the same."
    alone = [_docs(each, name, 2) for name, each in commands.items() if name not in groups]
    made["reference/cli/index.md"] = "\n\n".join([head, "Groups of commands:", listed, *alone])
    return made


def _docs(command: App, name: str, level: int) -> str:
    text = command.generate_docs(heading_level=level, usage_name=f"graphagg {name}")
    text = re.sub(r"^## Table of Contents\n\n(?: *- .*\n)+\n", "", text, flags=re.MULTILINE)
    text = re.sub(rf"^(#+) ({name}\b.*)$", r"\1 graphagg \2", text, flags=re.MULTILINE)
    text = re.sub(r"^Example: (.+(?:\n\S.*)*)$", r"```bash\n\1\n```", text, flags=re.MULTILINE)
    text = text.replace(" None: ", " Default: ")
    return text.replace(f"](#{name}-", f"](#graphagg-{name}-").replace("```console", "```text")


def _api() -> dict[str, str]:
    made = {f"reference/api/{page}.md": _package_page(names) for page, names in API.items()}
    made["reference/api/errors.md"] = (
        "# graphagg.errors\n\n::: graphagg.errors\n    options:\n      show_root_heading: false\n"
        "      show_root_toc_entry: false\n"
    )
    links = "\n".join(f"* [`{names[0]}`]({page}.md)" for page, names in API.items())
    made["reference/api/index.md"] = (
        "# Python\n\nMade from the docstrings of the names that each package exports. "
        "Import a name from the package, as in `from graphagg.rag import PassageIndex`.\n\n"
        f"{links}\n* [`graphagg.errors`](errors.md)\n"
    )
    return made


def _package_page(packages: tuple[str, ...]) -> str:
    lines = [f"# {packages[0]}"]
    for package in packages:
        module = import_module(package)
        if package != packages[0]:
            lines.append(f"## {package}")
        lines.append((module.__doc__ or "").partition("\n")[0])
        level = 2 if package == packages[0] else 3
        lines += [
            f"::: {package}.{name}\n    options:\n      heading_level: {level}"
            for name in _exported(package)
        ]
    return "\n\n".join(lines) + "\n"


def _exported(package: str) -> list[str]:
    """Names that a package exports, classes first."""
    return sorted(import_module(package).__all__, key=lambda name: (name[0].islower(), name))


def plain_api() -> dict[str, str]:
    """The Python reference without a builder's directives: signatures and docstrings."""
    root = griffe.load("graphagg", search_paths=[str(ROOT)])
    made = {}
    for page, packages in API.items():
        lines = [f"# {packages[0]}"]
        for package in packages:
            for name in _exported(package):
                lines += _plain(f"{package}.{name}", root[f"{package}.{name}".partition(".")[2]])
        made[f"reference/api/{page}.md"] = "\n\n".join(lines) + "\n"
    errors = [f"# graphagg.errors\n\n{root['errors'].docstring.value}"]
    for name, each in root["errors"].classes.items():
        errors += _plain(f"graphagg.errors.{name}", each)
    made["reference/api/errors.md"] = "\n\n".join(errors) + "\n"
    return made


def _plain(name: str, thing: griffe.Object | griffe.Alias, heading: str = "##") -> list[str]:
    """Signature and docstring of a function or class, and of the public methods of a class."""
    shown = name + _parameters(thing)
    lines = [f"{heading} `{shown}`", thing.docstring.value if thing.docstring else ""]
    if thing.is_class:
        for method, each in thing.all_members.items():
            if each.is_function and not method.startswith("_"):
                lines += _plain(method, each, "###")
    return lines


def _parameters(thing: griffe.Object | griffe.Alias) -> str:
    """The parameters of a function or class, as in a call."""
    if not (thing.is_function or thing.is_class):
        return ""
    shown = []
    for each in thing.parameters:
        if each.name in ("self", "cls"):
            continue
        text = each.name + (f": {each.annotation}" if each.annotation else "")
        shown.append(text + (f" = {each.default}" if each.default is not None else ""))
    return f"({', '.join(shown)})"
