"""The files of deploy/spark submit jobs that are there, with options that they take."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphagg.cli.main import app
from graphagg.store.addresses import Address, parse_location

ROOT = Path(__file__).parents[2]
SPARK = ROOT / "deploy" / "spark"


def read(name: str) -> Any:
    text = (SPARK / name).read_text(encoding="utf-8")
    return yaml.safe_load(text) if name.endswith(".yaml") else json.loads(text)


def submitted(words: list[str]) -> tuple[str, list[str]]:
    """The job of a line of spark-submit, and its options."""
    place = next(i for i, word in enumerate(words) if word.endswith(".py"))
    return Path(words[place]).stem, words[place + 1 :]


def jobs() -> Iterator[tuple[str, str, list[str]]]:
    """Each file with the job that it submits and its options."""
    for step in read("emr-steps.json"):
        yield "emr-steps.json", *submitted(step["HadoopJarStep"]["Args"])
    serverless = read("emr-serverless.json")["jobDriver"]["sparkSubmit"]
    words = [serverless["entryPoint"], *serverless["entryPointArguments"]]
    yield "emr-serverless.json", *submitted(words)
    script = (SPARK / "dataproc.sh").read_text().replace("\\\n", " ").replace("$", "")
    line = shlex.split(next(line for line in script.splitlines() if line.startswith("gcloud")))
    name, _ = submitted(line)
    yield "dataproc.sh", name, line[line.index("--") + 1 :]
    for task in read("databricks-job.json")["tasks"]:
        group, name, *options = task["python_wheel_task"]["parameters"]
        assert group == "job"
        yield "databricks-job.json", name, options
    spec = read("kubernetes-operator.yaml")["spec"]
    yield "kubernetes-operator.yaml", *submitted([spec["mainApplicationFile"], *spec["arguments"]])


JOBS = list(jobs())


def test_every_file_is_looked_at() -> None:
    assert {name for name, *_ in JOBS} == {path.name for path in SPARK.iterdir()}


@pytest.mark.parametrize(("file", "name", "options"), JOBS, ids=str)
def test_a_job_takes_its_options(file: str, name: str, options: list[str]) -> None:
    """The command parses them, and they name stores that graphagg knows, by Python and by Spark."""
    assert (ROOT / "jobs" / f"{name}.py").exists()
    bound = app.parse_args(["job", name, *options])[1].arguments
    found = {**bound, **vars(bound["run"]), **vars(bound["build"])}
    out = parse_location(found["out"])
    assert isinstance(out, Address) and out.hadoop
    sources = [v for k, v in found.items() if k in ("edges", "passages") and v]
    for source in (each for s in sources for each in (s if isinstance(s, list) else [s])):
        assert str(source).startswith("table:") or isinstance(parse_location(source), Address)


def test_what_amazon_takes() -> None:
    """By the models of its API that botocore carries."""
    session = pytest.importorskip("botocore.session", reason="botocore is missing").get_session()
    validate = pytest.importorskip("botocore.validate").ParamValidator()
    asked = {
        ("emr", "AddJobFlowSteps"): {"JobFlowId": "j-1", "Steps": read("emr-steps.json")},
        ("emr-serverless", "StartJobRun"): {"clientToken": "1"} | read("emr-serverless.json"),
    }
    for (service, operation), parameters in asked.items():
        shape = session.get_service_model(service).operation_model(operation).input_shape
        report = validate.validate(parameters, shape)
        assert not report.has_errors(), report.generate_report()


def test_the_shell_reads_its_script() -> None:
    subprocess.run(["sh", "-n", str(SPARK / "dataproc.sh")], check=True)


def test_the_archives_are_those_of_make_dist() -> None:
    from graphagg import __version__

    for path in SPARK.iterdir():
        named = re.findall(r"graphagg-([0-9][0-9.]*)-(?:environment|py3)", path.read_text())
        assert set(named) <= {__version__}, path
