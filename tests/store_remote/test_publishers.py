"""Publishers that are killed at random moments, and readers who never see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from graphagg.store import verify_at as verify
from graphagg.store.remote.pushing import push
from tests.store_remote.publishers import BUSY, UNCHANGED
from tests.store_remote.server import BUCKET, Server
from tests.store_remote.versions import read_number, write_version

pytestmark = pytest.mark.store
PUBLISHERS = 200
ROOT = Path(__file__).parents[2]


def test_no_reader_sees_a_mixed_or_missing_version(server: Server, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    for number in range(4):
        write_version(versions / str(number), number)
    place = server.at("killed")
    push(versions / "0", place)
    seen: Counter[int] = Counter()
    problems: list[BaseException] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            try:
                seen[read_number(place)] += 1
                verify(place)
            except BaseException as error:
                problems.append(error)
                return

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        told = subprocess.run(
            [sys.executable, "-m", "tests.store_remote.publishers", f"s3://{BUCKET}/killed",
             str(versions), str(PUBLISHERS), "1"],
            env={**os.environ, **server.environment}, cwd=ROOT, check=True, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
    finally:
        ended.set()
        for reader in readers:
            reader.join()
    ends = Counter(json.loads(line)["ended"] for line in told.stdout.splitlines())
    print(f"publishers ended {dict(ends)}, versions read {dict(seen)}")
    assert not problems, problems
    assert sum(ends.values()) == PUBLISHERS
    assert set(ends) <= {0, BUSY, UNCHANGED, -9}, "killed, first, or told what there is"
    assert ends[-9] and ends[0]
    assert len(seen) > 1
    assert push(versions / "3", place).version == push(versions / "3", place).version
    assert read_number(place) == 3
    verify(place)
