"""The process that Spark forks its Python workers from.

After each task a worker collects all garbage, for which Python visits every object of every
imported module. Here, what survives one collection is left out of the next: tests run many small
tasks, and those collections took most of their time.
"""

from __future__ import annotations

import gc

from pyspark.daemon import manager


def leave_out_survivors(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


if __name__ == "__main__":
    gc.callbacks.append(leave_out_survivors)
    manager()
