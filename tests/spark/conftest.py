"""One lazy session for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from graphagg.spark.session import create_session

    scratch: Path = tmp_path_factory.mktemp("spark")
    session = create_session(
        "graphagg tests",
        "local[2,2]",
        {
            "spark.sql.shuffle.partitions": "3",
            "spark.sql.warehouse.dir": str(scratch / "warehouse"),
            "spark.local.dir": str(scratch / "local"),
            "spark.python.daemon.module": "tests.spark.daemon",
            "spark.driver.maxResultSize": "32m",
            # For queries that run once: Spark compiles none, the JVM little, one thread collects
            # garbage. The tests of clusters run with Spark's own settings.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        },
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
