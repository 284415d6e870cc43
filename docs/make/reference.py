"""The reference pages: of the commands, by typer; of Python, by what each package exports."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import griffe
import typer
from typer.cli import get_docs_for_click

API = {
    "rag": ("graphagg.rag", "graphagg.rag.answer"),
    "communities": ("graphagg.communities",),
    "embedding": ("graphagg.embedding",),
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

    root = typer.main.get_command(app)
    context = typer.Context(root, info_name="graphagg")
    groups = {name: each for name, each in root.commands.items() if hasattr(each, "commands")}
    made = {
        f"reference/cli/{name}.md": _docs(group, context, name, "graphagg")
        for name, group in groups.items()
    }
    for name in groups:
        del root.commands[name]
    listed = "\n".join(
        f"* [`graphagg {name}`]({name}.md): {_summary(group)}" for name, group in groups.items()
    )
    head = "# Command line\n\nMade from the program; `graphagg COMMAND --help` shows the same.\n\n"
    top = _docs(root, context, "graphagg", "").partition("\n")[2]
    made["reference/cli/index.md"] = f"{head}Groups of commands:\n\n{listed}\n{top}"
    return made


def _docs(command: Any, context: Any, name: str, prefix: str) -> str:
    text = get_docs_for_click(obj=command, ctx=context, name=name, call_prefix=prefix)
    text = re.sub(r"^(#+) `(.+)`$", r"\1 \2", text, flags=re.MULTILINE)
    text = re.sub(r"(<br/?>)?\n?^Example: (.+)$", r"\n```bash\n\2\n```", text, flags=re.MULTILINE)
    for child, each in getattr(command, "commands", {}).items():  # whole, where typer cuts them
        text = re.sub(rf"^\* `{child}`: .*$", f"* `{child}`: {_summary(each)}", text, flags=re.M)
    return text.replace("```console\n$ ", "```text\n")


def _summary(command: Any) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


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
