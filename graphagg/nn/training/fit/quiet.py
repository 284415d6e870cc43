"""Silence the advice of Lightning on the terminal."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from graphagg.nn.compat import LIGHTNING_LOGGERS


@contextmanager
def quiet() -> Iterator[None]:
    """Keep tips, hints about workers and possible user warnings of Lightning off the terminal.

    Errors still come through as exceptions; what is ours to say is said by `progress`.
    """
    loggers = [logging.getLogger(name) for name in LIGHTNING_LOGGERS]
    loggers += [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.startswith(("lightning.", "lightning_fabric.")) and name not in LIGHTNING_LOGGERS
    ]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning(_fabric)?\.")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"tensorboard\.")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
