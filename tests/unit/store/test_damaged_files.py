"""A damaged index is a named error or an answer: never a signal, and no other exception.

Files are damaged by `tests.unit.store.damage` in processes of their own, with checksums that fit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.unit.store import damage

FEW, MANY = 30, 3_000
"""Cases of `make test`, and of `make fuzz`."""


def failures(root: Path, seed: int, count: int) -> list[str]:
    """Run cases 0 to `count`; a process that dies is started again after its case."""
    found, first = [], 0
    while first < count:
        command = [sys.executable, "-m", damage.__name__, *map(str, (root, seed, first, count))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        cases = [line for line in lines if line.startswith("case ")]
        for case, line in pairwise(lines):
            if line.startswith("failed "):
                found.append(f"{case}\n{json.loads(line.removeprefix('failed '))}")
        if done.returncode:
            found.append(f"{cases[-1:]}: exit code {done.returncode}\n{done.stderr[-2000:]}")
        first = count if not done.returncode else first + max(len(cases), 1)
    return found


@pytest.mark.hypothesis  # so that `make fuzz` draws it too
def test_no_damage_ends_the_process_or_raises_another_error(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chosen = request.config.getoption("--hypothesis-profile") == "fuzz"
    damage.build(tmp_path / "indices")
    seed = int(request.config.getoption("--hypothesis-seed") or 0)
    found = failures(tmp_path, seed, MANY if chosen else FEW)
    assert not found, f"{len(found)} cases with seed {seed}\n\n" + "\n".join(found[:10])
