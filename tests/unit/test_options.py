"""An option is declared once: command, job, TOML file, environment and help take every field."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_type_hints

import pytest
from cyclopts import App, CycloptsError

from graphagg import __version__
from graphagg.cli.builds import graphs, passages
from graphagg.cli.builds.passages import ModelNames
from graphagg.cli.failures import with_flags
from graphagg.cli.main import app, main
from graphagg.cli.options import FLAT, make_app, panel
from graphagg.communities.config import CommunityConfig
from graphagg.embedding.config import EmbeddingConfig
from graphagg.graph.reading.settings import EdgeReading, WeightedReading
from tests.unit.commands import Answer, invoke, leaves, run

LEAVES = dict(leaves())
VALUES: dict[str, Any] = {
    "permutations": 129, "closed": False, "kind": "two-mode", "delimiter": "|", "language": "de",
    "propagate": 2,
}  # fmt: skip


def other(owner: type, name: str, default: Any) -> Any:
    """A value that is not the default."""
    hint = get_type_hints(owner)[name]
    hint = next((one for one in get_args(hint) if NoneType in get_args(hint)), hint)
    if name in VALUES:
        return VALUES[name]
    if get_args(hint):
        return next(choice for choice in reversed(get_args(hint)) if choice != default)
    if hint is bool:
        return not default
    return "other" if hint is str else (default or 3) - 1


@pytest.mark.parametrize(
    ("words", "table", "part", "owner"),
    [
        (("communities", "build"), "communities", "parameters", CommunityConfig),
        (("communities", "build"), "communities", "reading", EdgeReading),
        (("embed", "build"), "embed", "parameters", EmbeddingConfig),
        (("embed", "build"), "embed", "reading", WeightedReading),
        (("rag", "index"), "passages", "models", ModelNames),
    ],
)
def test_every_field_is_taken_everywhere(
    words: tuple[str, ...], table: str, part: str, owner: type,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    built: list[Any] = []
    for module in (graphs, passages):
        monkeypatch.setattr(module, "run_build", lambda build, run: built.append((build, run)))
    values = {each.name: other(owner, each.name, each.default) for each in fields(owner)}
    options = {a.field_info.name: a for a in app[words[0]][words[1]].assemble_argument_collection()}
    given: list[str] = []
    for name, value in values.items():
        on, off = options[name].name, options[name].negatives
        given += [on if value else off[0]] if isinstance(value, bool) else [on, str(value)]
    file = tmp_path / "options.toml"
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    file.write_text(f"[{table}]\n{lines}")

    def call(*more: str) -> None:
        for command in (words, ("job", table)):
            monkeypatch.setattr(sys, "argv", ["graphagg", *command, "in", "--out", "o", *more])
            with pytest.raises(SystemExit) as end:
                main()
            assert not end.value.code

    call(*given)
    call("--config", str(file))
    with monkeypatch.context() as patch:
        for name, value in values.items():
            patch.setenv(f"GRAPHAGG_{name.upper()}", str(value))
        call()
    assert len(built) == 6
    for index, (build, how) in enumerate(built):
        assert getattr(build, part) == owner(**values)
        assert how.engine == ("spark" if index % 2 else "local")


# --- the mechanism -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inner:
    """Inner settings.

    Attributes:
        size: length of a row. Larger is slower.
        limit: rows at most. None: as many as `size` allows.
    """

    size: int = 4
    limit: int | None = None


@dataclass(frozen=True)
class Outer:
    """Outer settings.

    Attributes:
        inner: what rows are.
        mode: how they are read.
        loud: print more.
    """

    inner: Annotated[Inner, panel("Rows")] = Inner()
    mode: Literal["fast", "slow"] = "fast"
    loud: bool | None = None


def call(function: Callable[..., None], *words: str) -> Answer:
    one = make_app("one")
    one.default(function)
    return invoke(*words, of=one)


def test_values_come_back_as_the_dataclass() -> None:
    seen: list[Any] = []

    def run(*, outer: Annotated[Outer, FLAT] = Outer(), extra: int = 1) -> None:
        seen.append((outer, extra))

    call(run)
    call(run, "--size", "7", "--mode", "slow", "--no-loud", "--extra", "3")
    assert seen == [(Outer(), 1), (Outer(Inner(7), "slow", False), 3)]
    for wrong in (("--mode", "odd"), ("--size", "3.5"), ("--limit", "x"), ("--sise", "3")):
        with pytest.raises(CycloptsError):
            call(run, *wrong)


def test_help_comes_from_the_docstring() -> None:
    def run(*, outer: Annotated[Outer, FLAT] = Outer(), as_json: bool = False) -> None:
        """Run."""

    shown = call(run, "--help").out
    for text in (
        "Rows at most. Default: as many as --size allows.", "Rows ─", "choices: fast, slow",
        "--no-loud", "default: 4", "Length of a row. Larger is slower.",
    ):  # fmt: skip
        assert text in shown
    assert "--no-as-json" not in shown


@pytest.mark.parametrize(
    ("words", "message", "translated"),
    [
        (["communities", "query"], "no vertex in `seeds`", "no vertex in --seed"),
        (["embed", "build"], 'read `ids="string"`', "read --ids string"),
        (["embed", "build"], "pass `weighted=False`", "pass --no-weighted"),
        (["embed", "build"], "`k` is no option", "`k` is no option"),
        (["rag", "add", "idx"], "pass `replace=True`", "pass --replace"),
    ],
)
def test_parameters_in_errors_become_options(
    words: list[str], message: str, translated: str
) -> None:
    assert with_flags(message, app, words) == translated


# --- all commands --------------------------------------------------------------------------------


def examples(command: App) -> Iterator[list[str]]:
    """The words after `graphagg` of each example in a command's help."""
    for paragraph in command.help.split("\n\n"):
        if paragraph.strip().startswith("Example: "):
            words = shlex.split(paragraph.strip().removeprefix("Example: "))
            yield words[words.index("graphagg") + 1 :]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_help_and_an_example(path: tuple[str, ...]) -> None:
    command = LEAVES[path]
    assert not command.help.startswith("Example: ")
    found = list(examples(command))
    assert found
    for words in found:
        own = (
            path if path[0] != "job" or path[1] not in ("communities", "embed", "passages") else ()
        )
        assert tuple(words[: len(own)]) == own
        app.parse_args(words)  # raises if it cannot
    arguments = command.assemble_argument_collection(parse_docstring=True)
    lacking = [each.name for each in arguments if not each.parameter.help and each.show]
    assert lacking == []


def test_version() -> None:
    assert run("--version").stdout == f"{__version__}\n"


def test_a_shell_completes_commands_and_options() -> None:
    script = app.generate_completion(shell="bash")
    assert all(word in script for word in ("communities", "neighbors", "max-piece-edges"))


def test_the_command_loads_nothing_heavy() -> None:
    """Completion and help start the command at each key; what is heavy loads where it is used."""
    code = (
        "import sys\nfrom graphagg.cli.main import main\n"
        "sys.argv = ['graphagg', 'communities', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = ('torch', 'numba', 'pyarrow', 'pandas', 'networkx', 'matplotlib', 'sknetwork',\n"
        "         'faiss', 'prompt_toolkit', 'fastapi', 'pyspark', 'scipy', 'sklearn', 'spacy')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=900
    )
    assert found.stderr.strip() == "[]"
