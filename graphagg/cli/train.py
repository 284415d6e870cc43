"""`graphagg train`: train a graph model, by preset or TOML file, on a data set."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    links: bool = False,
    epochs: int | None = None,
    changes: Annotated[list[str] | None, Parameter("--set")] = None,
    random_state: int | None = None,
    resume: bool = False,
    force: bool = False,
    controls: bool = True,
    show: Annotated[bool, Parameter("--list")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a graph model, split by split, and report the epoch with the best validation score.

    Example: graphagg train auto --data rings.npz --out runs/rings --splits 5

    Args:
        preset: a preset (see --list), auto, or a TOML file.
        data: a .npz file of graphs, as save_npz writes it.
        out_dir: where models, logs and results go.
        device: device to use: auto, cpu, cuda, cuda:1, ...
        splits: number of the data's splits to train.
        split_ratio: random splits in place of the data's, by these shares: 0.8 0.1 0.1.
        links: predict the edges of one graph; they are split.
        epochs: largest number of epochs. None: the preset's.
        changes: a setting, e.g. model.layers=4; repeat it.
        random_state: seed of every random choice. None: the preset's, or 0.
        resume: continue the run in --out.
        force: replace the run in --out.
        controls: also measure simple models on each split.
        show: print the presets and leave.
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
    from graphagg.nn.presets import preset as by_name
    from graphagg.nn.presets import read_preset
    from graphagg.nn.training import train as run
    from graphagg.nn.training.auto import Auto

    change = partial(_with_options, changes=changes or [], epochs=epochs, random_state=random_state)
    choice: Auto | Preset = Auto(change)
    if preset != "auto":
        choice = change(read_preset(preset) if preset.endswith(".toml") else by_name(preset))
    source = _data(data, links, split_ratio, splits, choice.training.random_state)
    with progress_report() as report:
        result = run(
            choice, source, out_dir, name=Path(preset).stem, splits=splits, device=device,
            resume=resume, force=force, controls=controls, progress=report,
        )  # fmt: skip
    if as_json:
        print_json(result.to_json())
        return
    for note in result.notes:
        out.print(f"note: {note}", markup=False)
    _print_result(result, out_dir)


def _data(
    source: str, links: bool, ratio: tuple[float, float, float] | None, splits: int, state: int
) -> str | GraphData:
    if ratio is None and not links:
        return source
    from graphagg.nn.training import link_splits, random_splits

    if ratio is None or links:
        shares = ratio or (0.8, 0.1, 0.1)
        return link_splits(source, shares, count=splits, random_state=state)
    return random_splits(source, ratio, count=splits, random_state=state)


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
    from graphagg.nn.presets import preset, presets

    if as_json:
        print_json({name: preset(name).to_dict() for name in presets()})
        return
    rows: list[dict[str, str | int | float]] = []
    for name in presets():
        settings = preset(name)
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
                "split": each.split, "train": factor * each.train, "val": factor * each.val,
                "test": factor * each.test, "best epoch": each.epoch, "epochs": each.epochs,
                "seconds": each.seconds,
            }
            for each in result.splits
        ]
    )  # fmt: skip
    if result.controls:
        print_rows(_controls(result, factor))
    test = result.test
    out.print(
        f"{result.model} on {result.data}: test {result.metric} {factor * test.mean:.{digits}f} "
        f"± {factor * test.std:.{digits}f}{unit}, mean and deviation over {len(result.splits)} of "
        f"the splits; {result.parameters:,} parameters; {out_dir}",
        markup=False,
    )
    if result.verdict:
        out.print(result.verdict, markup=False)


def _controls(result: TrainingResult, factor: float) -> list[dict[str, str | int | float]]:
    """A row per control: its mean over the splits, or why it failed."""
    rows: list[dict[str, str | int | float]] = []
    for control in result.controls[0]:
        score = result.control_scores.get(control.name)
        rows.append(
            {
                "control": control.name,
                "test": factor * score.mean if score else f"failed: {control.note}",
                "deviation": factor * score.std if score else "",
                "CPU seconds": sum(
                    c.cpu_seconds for run in result.controls for c in run if c.name == control.name
                ),
            }
        )
    return rows
