"""An option is declared once: command, job, TOML file and environment take every field."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_type_hints

import pytest
from cyclopts import App, CycloptsError

from graphagg.cli.builds import jobs
from graphagg.cli.builds.build import Build, RunOptions
from graphagg.cli.builds.graphs import CommunitiesBuild, EmbeddingBuild
from graphagg.cli.builds.passages import PassagesBuild
from graphagg.cli.failures import with_flags
from graphagg.cli.main import app, main
from graphagg.cli.options import command, help_of
from tests.unit.commands import Answer, invoke

BUILDS = {each.kind: each for each in (PassagesBuild, CommunitiesBuild, EmbeddingBuild)}
COMMANDS = {
    "passages": ("rag", "index"),
    "communities": ("communities", "build"),
    "embedding": ("embed", "build"),
}
TABLES = {
    "passages": ("models",),
    "communities": ("parameters", "reading"),
    "embedding": ("parameters", "reading"),
}
VALUES: dict[str, Any] = {
    "permutations": 129,
    "closed": False,
    "kind": "two-mode",
    "delimiter": "|",
    "language": "de",
}


def cases() -> Iterator[Any]:
    """Each field of each dataclass that a kind of index is built with."""
    for kind, names in TABLES.items():
        hints = get_type_hints(BUILDS[kind])
        for name in names:
            for each in fields(hints[name]):
                yield pytest.param(kind, name, each, id=f"{kind}-{each.name}")


def other(owner: type, each: Field[Any]) -> Any:
    """A value that is not the default."""
    if each.name in VALUES:
        return VALUES[each.name]
    hint = get_type_hints(owner)[each.name]
    if NoneType in get_args(hint):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    if get_args(hint):
        return next(choice for choice in reversed(get_args(hint)) if choice != each.default)
    if hint is bool:
        return not each.default
    return "other" if hint is str else (each.default or 3) - 1


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Build, RunOptions]]:
    """What would be built, and how; nothing is."""
    seen: list[tuple[Build, RunOptions]] = []
    for name in ("run_build", "run_job"):
        monkeypatch.setattr(jobs, name, lambda build, run: seen.append((build, run)))
    return seen


def flags(parameters: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """The words of a command line that give values."""
    words: list[str] = []
    for name, value in parameters.items():
        on, off = options[name].name, options[name].negatives
        words += [off[0] if value is False else on] if isinstance(value, bool) else [on, str(value)]
    return words


def parameters_of(path: tuple[str, ...]) -> dict[str, Any]:
    group, name = path
    arguments = app[group][name].assemble_argument_collection()
    return {argument.field_info.name: argument for argument in arguments}


@pytest.mark.parametrize(("kind", "table", "each"), list(cases()))
def test_every_field_is_taken_everywhere(
    kind: str,
    table: str,
    each: Field[Any],
    built: list[tuple[Build, RunOptions]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = BUILDS[kind]
    owner = get_type_hints(build)[table]
    values = {each.name: other(owner, each)}
    assert values[each.name] != each.default
    source = fields(build)[0].name  # type: ignore[arg-type]

    def call(*words: str, job: bool = False) -> None:
        front = (
            [f"{build.name}.py", f"--{source}", "in"]
            if job
            else ["graphagg", *COMMANDS[kind], "in"]
        )
        monkeypatch.setattr(sys, "argv", [*front, "--out", "o", *words])
        with pytest.raises(SystemExit) as end:
            if job:
                jobs.main(build.name)
            else:
                main()
        assert not end.value.code

    words = flags(values, parameters_of(COMMANDS[kind]))
    file = tmp_path / "options.toml"
    file.write_text(f"[{build.name}]\n" + toml(values))
    for job in (False, True):
        call(*words, job=job)
        call("--config", str(file), job=job)
        with monkeypatch.context() as patch:
            for name, value in values.items():
                patch.setenv(f"GRAPHAGG_{name.upper()}", str(value))
            call(job=job)
    assert len(built) == 6
    for one, _ in built:
        assert getattr(one, table) == owner(**values)


def toml(values: dict[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


@pytest.mark.parametrize("kind", list(BUILDS))
def test_command_and_job_have_the_same_options(kind: str) -> None:
    build = BUILDS[kind]
    names = set(parameters_of(COMMANDS[kind]))
    run_names = {each.name for each in fields(RunOptions)}
    plain = {each.name for each in fields(build) if not is_part(build, each)}  # type: ignore[arg-type]
    assert plain | (run_names - {"log_level"}) | {"config"} <= names


def is_part(build: type, each: Field[Any]) -> bool:
    hint = get_type_hints(build)[each.name]
    return any(is_dataclass(one) for one in (hint, *get_args(hint)))


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
        path: where rows come from.
        inner: what they are.
        mode: how they are read.
        loud: print more.
    """

    path: str = field(metadata={"argument": True})
    inner: Annotated[Inner, "Rows"] = field(default_factory=Inner)
    mode: Literal["fast", "slow"] = "fast"
    loud: bool = field(default=False, metadata={"flags": "--loud/--quiet"})


def doubled(*, twice: bool = False, **values: Any) -> Inner:
    """Make a value.

    Options:
        twice: double it.
    """
    return Inner(values["size"] * (1 + twice), values["limit"])


def call(function: Callable[..., None], *words: str, **options: Any) -> Answer:
    one = App(exit_on_error=False, print_error=False)
    one.default(command(function, **options))
    return invoke(*words, of=one)


def test_values_come_back_as_the_dataclass() -> None:
    seen: list[Any] = []

    def run(*, outer: Outer, extra: int = 1) -> None:
        seen.append((outer, extra))

    call(run, "p")
    words = ("p", "--size", "7", "--mode", "slow", "--loud", "--extra", "3")
    call(run, *words)
    call(run, "--path", "p", fixed={"loud": True}, positional=False)
    assert seen == [
        (Outer("p"), 1),
        (Outer("p", Inner(7), "slow", True), 3),
        (Outer("p", loud=True), 1),
    ]
    for wrong, fixed in ((("p", "--mode", "odd"), {}), ((), {}), (("p", "--loud"), {"loud": True})):
        with pytest.raises(CycloptsError):
            call(run, *wrong, fixed=fixed)


def test_a_function_makes_the_value() -> None:
    seen: list[Inner] = []

    def run(*, inner: Annotated[Inner, doubled, "Rows"]) -> None:
        seen.append(inner)

    call(run, "--size", "3", "--twice", "--limit", "9")
    assert seen == [Inner(6, 9)]


def test_help_comes_from_the_docstring() -> None:
    assert help_of(Inner, "size") == ("Length of a row.", None)
    assert help_of(Inner, "limit") == ("Rows at most.", "as many as --size allows")

    def run(*, outer: Outer) -> None:
        pass

    shown = call(run, "--help").out
    for text in (
        "Rows at most.",
        "as many as --size allows",
        "choices: fast, slow",
        "--quiet",
        "default: 4",
    ):
        assert text in shown


@pytest.mark.parametrize(
    ("words", "message", "translated"),
    [
        (["communities", "query"], "no vertex in `seeds`", "no vertex in --seed"),
        (["embed", "build"], 'read `ids="string"`', "read --ids string"),
        (
            ["embed", "build"],
            "pass `weighted=False` or `force=True`",
            "pass --unweighted or --force",
        ),
        (["embed", "build"], "`k` is no option", "`k` is no option"),
        (["rag", "add", "idx"], "pass `replace=True`", "pass --replace"),
    ],
)
def test_parameters_in_errors_become_options(
    words: list[str], message: str, translated: str
) -> None:
    assert with_flags(message, app, words) == translated
