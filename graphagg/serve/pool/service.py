"""A service whose questions are answered by worker processes.

The front process keeps the indices open too, mapped and without models: for what they hold, for
new versions and for type-ahead.
"""

from __future__ import annotations

from dataclasses import replace

from graphagg.serve.limits import Limits
from graphagg.serve.metrics import Metrics
from graphagg.serve.observe.log import LogFormat, LogLevel
from graphagg.serve.pool.pool import Pool
from graphagg.serve.pool.worker import Job
from graphagg.serve.service import Service, Sources

_THREADS = 2  # a question is answered while others are encoded


def pooled_service(
    workers: int,
    sources: Sources,
    limits: Limits | None = None,
    *,
    lazy: bool = False,
    poll_seconds: float = 1.0,
    level: LogLevel = "warning",
    form: LogFormat = "text",
) -> Service:
    """A service with worker processes, which `start` starts.

    Args:
        workers: how many.
        sources: as of `Service`.
        limits: as of `Service`; workers have two threads each.
        lazy: as of `Service`.
        poll_seconds: how often workers look for new versions, and report their memory.
        level: of the workers' log.
        form: of the workers' log.

    Raises:
        InvalidParameter: there is no worker.
        GraphAggError: as of `Service`.
    """
    limits, metrics = limits or Limits(), Metrics()
    job = Job(sources, replace(limits, threads=_THREADS), lazy, poll_seconds, level, form)
    pool = Pool(workers, job, limits.waiting, metrics)
    return Service(sources, limits, lazy=lazy, metrics=metrics, pool=pool)
