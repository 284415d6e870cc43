"""`graphagg train`: train a graph model, defined by a preset or a TOML file, on a data set."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from graphagg.cli.folders import LocalPath
from graphagg.cli.output.console import AsJson, out, print_json, print_rows, progress_report
from graphagg.errors import InvalidParameter

if TYPE_CHECKING:
    from graphagg.nn.presets import Preset
    from graphagg.nn.training import GraphData, TrainingResult

_PERCENT = ("accuracy", "roc-auc", "ap", "f1")


def train(
    preset: str | None = None,
    /,
    *,
    data: str | None = None,
    out_dir: Annotated[LocalPath | None, Parameter("--out")] = None,
    device: str = "auto",
    splits: int = 1,
    split_ratio: tuple[float, float, float] | None = None,
    epochs: int | None = None,
    changes: Annotated[list[str] | None, Parameter("--set")] = None,
    random_state: int | None = None,
    resume: bool = False,
    force: bool = False,
    show: Annotated[bool, Parameter("--list")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a graph model on each split, and report the epoch with the best validation score.

    Example: graphagg train auto --data rings.safetensors --out runs/rings --splits 5

    Args:
        preset: name of a preset (see --list), a TOML file, or auto, which trains four simple models
            and keeps the best one.
        data: a .safetensors file of graphs.
        out_dir: folder for models, logs and results.
        device: where to train: auto, cpu, cuda, cuda:1, ...
        splits: number of the data's splits to train on.
        split_ratio: shares of training, validation and test data, such as 0.8 0.1 0.1, for random
            splits; by default the splits of the data are used.
        epochs: maximum number of epochs. None: as in the preset.
        changes: setting to change, such as model.layers=4; can be given several times.
        random_state: random seed. None: as in the preset, or 0.
        resume: continue the run in --out.
        force: replace the run in --out.
        show: print the presets and exit.
    """
    if show:
        _print_presets(as_json)
        return
    if preset is None or data is None or out_dir is None:
        required = {"PRESET": preset, "--data": data, "--out": out_dir}
        missing = ", ".join(name for name, value in required.items() if value is None)
        raise InvalidParameter(f"missing {missing}; e.g. graphagg train auto --data FILE --out DIR")
    if resume and force:
        raise InvalidParameter("give --resume or --force, not both")
    from graphagg.nn.presets import get_preset, read_preset
    from graphagg.nn.training import random_splits, train_auto
    from graphagg.nn.training import train as run

    change = partial(_with_options, changes=changes or [], epochs=epochs, random_state=random_state)
    source: str | GraphData = data
    if split_ratio is not None:
        source = random_splits(data, split_ratio, count=splits, random_state=random_state or 0)
    options: dict[str, Any] = {"splits": splits, "device": device, "resume": resume, "force": force}
    with progress_report() as report:
        options["progress"] = report
        if preset == "auto":
            results = train_auto(source, out_dir, change=change, **options)
        else:
            chosen = read_preset(preset) if preset.endswith(".toml") else get_preset(preset)
            results = [run(change(chosen), source, out_dir, name=Path(preset).stem, **options)]
    if as_json:
        validation = {result.model: result.val.mean for result in results}
        auto = {"auto": validation} if preset == "auto" else {}
        print_json(results[0].to_json() | auto)
        return
    if preset == "auto":
        _print_auto(results)
        out_dir /= results[0].model
    _print_result(results[0], out_dir)


def _with_options(
    preset: Preset, changes: list[str], epochs: int | None, random_state: int | None
) -> Preset:
    from graphagg.nn.presets import override

    preset = override(preset, changes)
    training = preset.training
    if epochs is not None:
        warmup = min(training.warmup_epochs, max(epochs, 0))
        training = replace(training, epochs=epochs, warmup_epochs=warmup)
    if random_state is not None:
        training = replace(training, random_state=random_state)
    return replace(preset, training=training)


def _print_presets(as_json: bool) -> None:
    from graphagg.nn.presets import get_preset, preset_names

    if as_json:
        print_json({name: get_preset(name).to_dict() for name in preset_names()})
        return
    rows: list[dict[str, str | int | float]] = []
    for name in preset_names():
        settings = get_preset(name)
        model = settings.model
        encodings = ", ".join(encoding.name for encoding in model.encodings) or "none"
        rows.append(
            {
                "preset": name, "task": model.head.task, "local": model.local.name,
                "attention": model.attention.name, "encodings": encodings,
                "layers": model.layers, "width": model.channels,
                "epochs": settings.training.epochs,
            }
        )  # fmt: skip
    print_rows(rows)


def _print_result(result: TrainingResult, out_dir: Path) -> None:
    shares = result.metric in _PERCENT
    factor, digits = (100.0, 2) if shares else (1.0, 4)
    unit = " %" if shares else ""
    print_rows(
        [
            {
                "split": split.split, "train": factor * split.train, "val": factor * split.val,
                "test": factor * split.test, "best epoch": split.epoch, "epochs": split.epochs,
                "seconds": split.seconds,
            }
            for split in result.splits
        ]
    )  # fmt: skip
    mean, deviation = factor * result.test.mean, factor * result.test.std
    shown = f"{mean:.{digits}f}{unit} on one split"
    if len(result.splits) > 1:
        shown = f"{mean:.{digits}f} ± {deviation:.{digits}f}{unit}, mean and deviation over "
        shown += f"{len(result.splits)} splits"
    out.print(
        f"{result.model} on {result.data}: test {result.metric} {shown}; "
        f"{result.parameters:,} parameters; {out_dir}",
        markup=False,
    )


def _print_auto(results: list[TrainingResult]) -> None:
    """Print a row for each model of `auto`, the best validation score first."""
    factor = 100.0 if results[0].metric in _PERCENT else 1.0
    print_rows(
        [
            {
                "model": result.model, "val": factor * result.val.mean,
                "test": factor * result.test.mean,
                **({"deviation": factor * result.test.std} if len(result.splits) > 1 else {}),
                "parameters": result.parameters, "seconds": result.seconds,
            }
            for result in results
        ]
    )  # fmt: skip
