from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from graphagg.cli.main import main
from tests.unit.commands import Answer


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run a command in this process, as `main` runs it."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["graphagg", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return Answer(end.value.code or 0, *capsys.readouterr())  # type: ignore[arg-type]

    return call
