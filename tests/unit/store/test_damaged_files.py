"""A damaged index is a named error or an answer: never a signal, and no other exception.

Files are damaged by `tests.unit.store.damage` in processes of their own, with checksums that fit.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from graphagg import errors
from graphagg.cli.artifact import read
from graphagg.communities import CommunityIndex
from graphagg.errors import CorruptArtifact, GraphAggError
from graphagg.rag import PassageIndex
from graphagg.store import verify_at
from tests.unit.rag.corpora import ENCODER, EXTRACTOR, QUESTIONS
from tests.unit.store import damage

FEW, MANY = 8, 3_000
"""Cases of each kind in `make test`, and in `make fuzz`."""


def failures(what: str, root: Path, seed: int, count: int) -> list[str]:
    """Run cases 0 to `count`; a process that dies is started again after its case."""
    found, first = [], 0
    while first < count:
        arguments = map(str, (what, root, seed, first, count))
        command = [sys.executable, "-m", damage.__name__, *arguments]
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


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the indices."""
    folder = tmp_path_factory.mktemp("damaged")
    damage.build(folder / "indices")
    return folder


@pytest.mark.hypothesis  # so that `make fuzz` draws it too
def test_no_damage_ends_the_process_or_raises_another_error(
    root: Path, request: pytest.FixtureRequest
) -> None:
    chosen = request.config.getoption("--hypothesis-profile") == "fuzz"
    seed = int(request.config.getoption("--hypothesis-seed") or 0)
    count = MANY if chosen else FEW
    found = [f for what in ("files", "values") for f in failures(what, root, seed, count)]
    assert not found, f"{len(found)} cases with seed {seed}\n\n" + "\n".join(found[:10])


def test_values_out_of_range_are_named_by_what_touches_them(root: Path) -> None:
    command = [sys.executable, "-m", damage.__name__, "named", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for case, (reads, changes) in zip(damage.WRONG, json.loads(done.stdout), strict=True):
        named = [each.split()[0] for each in reads if each]
        assert all(issubclass(getattr(errors, each), GraphAggError) for each in named), case
        assert "CorruptArtifact" in named or case[0].startswith("embedding"), case
        assert set(changes) == {"CorruptArtifact"}, case
        if case[1] == "rows.by_id":  # every mode, and the explanation of each
            assert all(each.startswith("CorruptArtifact") for each in reads[1:21])
            assert "CorruptArtifact advises" in reads


def test_a_question_leaves_arrays_alone_that_verify_reads(root: Path, tmp_path: Path) -> None:
    ways: Any = {"encoder": ENCODER, "extractor": EXTRACTOR}
    passages, communities = (tmp_path / name for name in ("passages", "communities-undirected"))
    for folder in (passages, communities):
        shutil.copytree(root / "indices" / folder.name, folder)

    def answers() -> list[object]:
        with (
            PassageIndex.open(passages, **ways) as index,
            CommunityIndex.open(communities) as network,
        ):
            found = index.retrieve(QUESTIONS[0], 5, mode="bm25").to_arrow().to_pylist()
            return [found, network.query([3], 5, method="pagerank").to_json()]

    before = answers()
    for name in ("gazetteer.entity", "gazetteer.row", "gazetteer.sentence", "view.titled"):
        damage.overwrite(passages, name, 1 << 30 if name != "gazetteer.sentence" else 255)
    damage.overwrite(communities, "lsh.ids", -5)
    assert answers() == before
    for folder, name in ((passages, "gazetteer.entity"), (communities, "lsh.ids")):
        with pytest.raises(CorruptArtifact, match=rf"{name}\.npy: holds"):
            verify_at(folder, read)
        index = PassageIndex if folder == passages else CommunityIndex
        with pytest.raises(CorruptArtifact, match=rf"{name}\.npy: holds"):
            index.open(folder, verify=True)
