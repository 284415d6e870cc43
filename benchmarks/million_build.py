"""The build of `benchmarks.million`, in a process of its own: `CORPUS INDEX PROFILE`.

Where `MEMORY_GROUP` names a control group, the process enters it first. Prints the stages, and the
peaks of memory: all that is resident, mapped files of the index among it, and that without files.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.peak import resident
from benchmarks.profiles import Stages
from graphagg.rag import PassageIndex, read_passages


def main(corpus: str, index: str, profile: Any) -> None:
    group = os.environ.get("MEMORY_GROUP")
    if group:
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    stages, peak = Stages(), [0]
    stages.begin()
    threading.Thread(target=_watch, args=(peak,), daemon=True).start()
    start = time.perf_counter()
    PassageIndex.build(
        read_passages(corpus), index, chunking=None, profile=profile, progress=stages, force=True
    ).close()
    print(f"CPU s {stages}; wall s {time.perf_counter() - start:.0f}")
    print(
        f"peak MiB: resident {resident('VmHWM') / 2**20:,.0f}, "
        f"without mapped files {peak[0] / 2**20:,.0f}",
        flush=True,
    )


def _watch(peak: list[int]) -> None:
    while True:
        peak[0] = max(peak[0], resident("RssAnon"))
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
