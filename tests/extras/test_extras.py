"""Each extra in an environment of its own: a command or an import works, or names what it needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import astuple, dataclass
from pathlib import Path

import pytest

from graphagg.cli.main import _COMMANDS
from tests.extras import drive
from tests.extras.cases import CASES, REACHED, write_inputs
from tests.extras.environments import OUTCOMES, build_wheel, environments, make_environment

LINE = re.compile(r"error: [^\n]*pip install [^\n]*\n?")


@dataclass(frozen=True)
class Outcome:
    """What a command with `--help` (`help`), with its input (`run`), or an import came to."""

    kind: str
    name: str
    code: int
    text: str

    @property
    def missing(self) -> str | None:
        """The package or extra that it names in one line; None if it says anything else."""
        text = self.text.removeprefix("error: MissingExtra: ") if self.kind == "import" else ""
        line = re.sub(r"\s+", " ", text or self.text[self.text.rfind("error: ") :])
        found = re.search(r"pip install (?:\"graphagg\[([\w,]+)\]|(\S+))", line)
        is_named = found is not None and self.code == 2 and "Traceback" not in self.text
        return found[1] or found[2] if is_named and found else None

    @property
    def word(self) -> str:
        """`works`, what it needs, or `FAILS`."""
        if self.code == 0 or REACHED.get(self.name, "\0") in self.text:
            return "works"
        return f"[{self.missing}]" if self.missing else "FAILS"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs") / "made"
    write_inputs(folder)
    return folder


def test_each_command_has_a_case():
    """A new command takes part."""
    assert set(CASES) == {name for names in _COMMANDS.values() for name in names}


@pytest.mark.extras
@pytest.mark.parametrize("extras", environments())
def test_all_works_or_names_an_extra(extras: str, wheel: Path, made: Path, tmp_path: Path):
    python = make_environment(tmp_path / "env", wheel, extras)
    outcomes = outcomes_of(python, made, tmp_path)
    OUTCOMES.mkdir(parents=True, exist_ok=True)
    (OUTCOMES / f"{extras}.json").write_text(json.dumps([astuple(each) for each in outcomes]))
    assert {each.name for each in outcomes if each.kind == "run"} == set(CASES)
    assert [each for each in outcomes if each.word == "FAILS"] == []
    # What an environment holds is not what it lacks.
    assert [o for o in outcomes if o.missing and o.missing in extras.split(",")] == []
    assert [o for o in outcomes if o.kind == "help" and o.word != "works"] == []


def outcomes_of(python: Path, made: Path, folder: Path) -> list[Outcome]:
    """Run `drive.py` in an environment."""
    done = subprocess.run(
        [str(python), drive.__file__, str(made), json.dumps(CASES)],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        | {"NUMBA_CACHE_DIR": str(OUTCOMES.parent / "numba"), "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Outcome(*json.loads(line)) for line in done.stdout.splitlines() if line[:1] == "["]
