from __future__ import annotations

import gc
import os
import random
import signal
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from graphagg.kernels import Kernel
from graphagg.rag import PassageIndex
from graphagg.rag.documents.reading.bounded import BoundedConverter
from graphagg.rag.models import extractor
from tests import converters
from tests.fakes import CORPUS, FakeEncoder, FakeExtractor

DATA = Path(os.environ.get("GRAPHAGG_DATA", Path(__file__).parents[2] / "shared" / "data"))

for name in ("COLUMNS", "LINES"):  # readline sets them, and a worker of pytest-xdist inherits them
    os.environ.pop(name, None)

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell has its jobs in the background ignore Ctrl-C, and so would commands that tests
    # interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
_load_pipeline = extractor._load_pipeline


@cache
def default_pipeline() -> Any:
    return _load_pipeline(extractor.DEFAULT_EXTRACTOR)


# Each command loads its models; here many run in one process, and loading spaCy's took as long as
# all else that they did.
extractor._load_pipeline = lambda model: (
    default_pipeline() if model == extractor.DEFAULT_EXTRACTOR else _load_pipeline(model)
)
if sys.platform == "linux":  # a folder starts two or three, and hundreds of tests read one
    BoundedConverter._start = converters.start

# On a busy machine every example is slow, so no test has a limit of time for one.
BUSY: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
# The same examples on every machine, and none kept: what passes here passes again and elsewhere.
# Few where a test names no number: `make fuzz` draws more of them, night after night.
settings.register_profile("same", database=None, derandomize=True, max_examples=15, **BUSY)
# Other examples in each run; `--hypothesis-seed` draws those of an earlier run.
settings.register_profile("fuzz", database=None, derandomize=False, max_examples=100, **BUSY)
settings.load_profile("same")
# Hypothesis also draws constants from the source of all modules loaded so far. Those depend on the
# tests that ran before, and would change with every line of the package.
providers._get_local_constants = Constants


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="run files, and the tests of each, in any order"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--shuffle`, run the tests in random order; those of a file stay together."""
    if (seed := config.getoption("shuffle")) is None:
        return
    random.Random(seed).shuffle(items)
    rank = {item.path: number for number, item in enumerate(items)}
    items.sort(key=lambda item: rank[item.path])


def pytest_collection_finish() -> None:
    """Take modules and tests, which stay, out of all later collections of garbage."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Give them back: libraries count at the end what is left."""
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, share the files out so that processes set up little twice.

    One process runs all files with Spark: one session, one JVM. It takes files from the front, the
    other ones from the back: side by side in a folder, they would make the same indices, load the
    same models, and compile the same kernels at the same time.
    """
    from xdist.scheduler import LoadFileScheduling

    class FromBothEnds(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path: str = super()._split_scope(nodeid)
            return "tests/spark" if path.startswith("tests/spark/") else path

        def _assign_work_unit(self, node: Any) -> None:
            if node is not self.nodes[0]:
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            super()._assign_work_unit(node)

    return FromBothEnds(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="module")
def compiled() -> Iterator[None]:
    """Compile what Python would run on inputs as small as those of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kernel, "small_rows", 0)
        yield


@pytest.fixture
def small_index(tmp_path: Path) -> PassageIndex:
    return PassageIndex.build(
        CORPUS, tmp_path / "idx", encoder=FakeEncoder(), extractor=FakeExtractor()
    )


@pytest.fixture(scope="session")
def demo_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo corpus indexed with the default models."""
    from graphagg.rag import read_passages

    corpus = Path(__file__).parents[1] / "graphagg" / "rag" / "demo" / "passages.jsonl"
    directory = tmp_path_factory.mktemp("demo") / "idx"
    PassageIndex.build(read_passages(corpus), directory).close()
    return directory


@pytest.fixture(scope="session")
def two_wiki() -> Path:
    folder = DATA / "2wikimultihopqa"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set GRAPHAGG_DATA to the folder of the data sets")
    return folder
