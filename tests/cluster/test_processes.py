"""Nothing that a test started outlives it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.processes import marked, until
from tests.cluster.standalone import ROOT, Cluster

pytestmark = pytest.mark.cluster
HOLDER = """
import sys, time
from pathlib import Path
from tests.cluster.standalone import standalone
with standalone(Path(sys.argv[1]), workers=1) as cluster:
    print(cluster.token, flush=True)
    time.sleep(600)
"""


def test_a_killed_test_run_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL, after which no fixture can clean up."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        token = holder.stdout.readline().strip()
        assert len(marked(token)) >= 2, "a master and a worker"
    finally:
        holder.kill()
        holder.wait()
    until(lambda: not marked(token), "master and worker to end")


def test_a_cluster_that_starts_half_leaves_nothing(tmp_path: Path) -> None:
    """The master runs when the worker refuses its memory."""
    cluster = Cluster(tmp_path)
    try:
        with pytest.raises(RuntimeError, match="ended"):
            cluster.start(1, memory="no memory")
        assert marked(cluster.token), "the master"
    finally:
        cluster.stop()
    assert not marked(cluster.token)
