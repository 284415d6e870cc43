"""What a missing package says: the extra that holds it, and a line that installs it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from graphagg import errors, extras
from graphagg.cli.failures import failure
from graphagg.cli.main import app
from graphagg.errors import MissingExtra

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FILES = sorted((ROOT / "graphagg").rglob("*.py"))


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def held(extra: str) -> set[str]:
    """The packages of an extra by `pyproject.toml`, through extras that it names."""
    found: set[str] = set()
    for requirement in PROJECT["optional-dependencies"][extra]:
        if name_of(requirement) == "graphagg":
            for other in requirement.partition("[")[2].partition("]")[0].split(","):
                found |= held(other)
        else:
            found.add(name_of(requirement))
    return found


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """graphagg as an installer notes it: the extras of this `pyproject.toml`."""
    lines = [
        f"{package}>=1; python_version > \"3\" and extra == '{extra}'"
        for extra in PROJECT["optional-dependencies"]
        for package in held(extra)
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["numpy>=2", *lines])


def constants(path: Path, tree: ast.Module) -> dict[str, str]:
    return {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }


def guarded_imports() -> list[tuple[str, list[str], str, str | None]]:
    """Each `with needs(package, extra): import ...` of the code."""
    found = []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        known = constants(path, tree)
        for block in (node for node in ast.walk(tree) if isinstance(node, ast.With)):
            calls = [
                item.context_expr
                for item in block.items
                if isinstance(item.context_expr, ast.Call)
                and getattr(item.context_expr.func, "id", "") == "needs"
            ]
            modules = [
                name.partition(".")[0]
                for node in block.body
                for part in ast.walk(node)
                if isinstance(part, ast.Import | ast.ImportFrom)
                for name in (
                    [alias.name for alias in part.names]
                    if isinstance(part, ast.Import)
                    else [part.module or ""]
                )
            ]
            for call in calls:
                package, extra = (
                    arg.value
                    if isinstance(arg, ast.Constant)
                    else known.get(getattr(arg, "id", ""))
                    for arg in call.args
                )
                where = f"{path.relative_to(ROOT)}:{call.lineno}"
                found.append((where, modules, package, extra))
    return found


GUARDED = guarded_imports()


@cache
def packages_distributions() -> Mapping[str, list[str]]:
    """The packages that bring each module, read once."""
    return metadata.packages_distributions()


def required_by(package: str) -> list[str]:
    try:
        return metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return []


def test_the_guarded_imports_are_found():
    """Else the tests below would hold of nothing."""
    assert len(GUARDED) > 20
    assert {"faiss-cpu", "scipy", "networkx", "pandas"} <= {row[2] for row in GUARDED}


@pytest.mark.parametrize(("where", "modules", "package", "extra"), GUARDED)
def test_each_extra_that_is_named_holds_what_is_missing(where, modules, package, extra):
    if extra is None:
        return  # the package itself is named
    assert package is None or name_of(package) in held(extra), where
    brought = packages_distributions()
    for module in set(modules) - {"graphagg"}:
        names = {name_of(name) for name in brought.get(module, [module])}
        reached = held(extra)
        if package is not None:
            reached |= {name_of(line) for line in required_by(package)}
        assert names & reached, f"{where}: {module} is not in {extra}"


@pytest.mark.parametrize("extra", ["nn"])
def test_a_package_with_an_extra_imports_only_its_dependencies_unguarded(extra):
    """`lazy_names(extra=...)` names the extra for any module that is missing."""
    base = {name_of(requirement) for requirement in PROJECT["dependencies"]}
    brought = packages_distributions()
    for path in (ROOT / "graphagg" / extra).rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            for module in {str(name).partition(".")[0] for name in names} - {"graphagg"}:
                if not extras.is_of_python(module):
                    packages = {name_of(name) for name in brought[module]}
                    assert packages & (held(extra) | base), f"{path}: {module}"


def test_packages_are_those_that_the_installer_noted(installed):
    for extra in PROJECT["optional-dependencies"]:
        assert extras.packages_of(extra) == held(extra)
    assert extras.packages_of("nothing") == frozenset()


@pytest.mark.parametrize(
    ("module", "extra"),
    [("resource", "nn"), ("fcntl", "serve"), ("yaml", "nn"), ("graphagg", "nn"), ("", "nn")],
)
def test_what_no_extra_brings_stays_the_import_s_own_error(installed, module, extra):
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    assert MissingExtra.of(error, extra) is error


def test_a_broken_package_is_not_called_missing(installed):
    error = ImportError("cannot import name 'x' from 'torch'", name="torch")
    assert MissingExtra.of(error, "nn") is error


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch_geometric.data", "nn"),
        ("spacy", "rag"),
        ("sklearn", "embedding"),
        ("fastapi", "mcp"),
    ],
)
def test_what_an_extra_brings_is_named(installed, module, extra):
    found = MissingExtra.of(ModuleNotFoundError("", name=module), extra)
    assert isinstance(found, MissingExtra) and f"[{extra}]" in str(found)


def test_a_package_of_no_extra_is_named_itself(installed):
    assert extras.install_line("pandas") == "pip install pandas"
    assert extras.install_line("sklearn", "serve") == "pip install scikit-learn"


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("starlette.datastructures", "serve"),
        ("threadpoolctl", "search"),
        ("scipy.sparse", "communities"),
        ("mcp", "mcp"),
        ("obstore", "stores"),
        ("nothing", ""),
    ],
)
def test_a_command_names_the_smallest_extra(installed, module, extra):
    assert extras.extra_with(module) == extra
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    if not extra:
        with pytest.raises(ModuleNotFoundError):  # a mistake in the code, not an extra
            failure(error, app)
    else:
        message, code = failure(error, app)
        assert code == 2 and f"[{extra}]" in message and "\n" not in message


def test_without_metadata_the_extra_is_trusted(monkeypatch: pytest.MonkeyPatch):
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", absent)
    assert extras.install_line("torch", "nn") == 'pip install "graphagg[nn]"'
    assert isinstance(errors.MissingExtra.of(ModuleNotFoundError("", name="a"), "nn"), MissingExtra)


_ALONE = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder

blocked = set(json.loads(sys.argv[1]))


class Others:
    find_distributions = staticmethod(PathFinder.find_distributions)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in blocked:
            return PathFinder.find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Others()
from graphagg.cli.main import main

for command in json.loads(sys.argv[2]):
    sys.argv = ["graphagg", *command]
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([code, said.getvalue()]))
"""
COMMANDS = {
    "--version": (0, ""),
    "--help": (0, "demo"),
    "rag --help": (0, "search"),
    "communities --help": (0, "build"),
    "embed --help": (0, "neighbors"),
    "train --list": (2, "[nn]"),
    "pull s3://bucket/x y": (2, "[stores]"),
    "serve --passages nowhere": (2, "[serve]"),
    "mcp --passages nowhere": (2, "[mcp]"),
    "rag search nowhere x": (2, "nowhere"),
}
"""The exit code of a command, and a part of what it prints."""


def brought_by_extras() -> set[str]:
    """The modules that extras bring, and graphagg alone does not."""
    alone, left = set[str](), [name_of(each) for each in PROJECT["dependencies"]]
    while left:
        if (package := left.pop()) not in alone:
            alone.add(package)
            left += [name_of(line) for line in required_by(package) if "extra ==" not in line]
    extra = set().union(*map(held, PROJECT["optional-dependencies"])) - alone
    return {
        module
        for module, packages in packages_distributions().items()
        if {name_of(package) for package in packages} <= extra
    }


def test_without_any_extra_a_command_names_what_it_needs():
    blocked, commands = sorted(brought_by_extras()), [command.split() for command in COMMANDS]
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, json.dumps(blocked), json.dumps(commands)],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = map(json.loads, done.stdout.splitlines())
    for (command, wanted), (code, said) in zip(COMMANDS.items(), printed, strict=True):
        assert "Traceback" not in said, said
        assert code == wanted[0] and wanted[1] in said, (command, said)
