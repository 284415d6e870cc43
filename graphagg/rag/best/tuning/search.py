"""A search over constants of `BestConfig`, by their names, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from graphagg.rag.best.formula import BestConfig

Grid = Mapping[str, tuple[float, ...]]
"""By name of a constant (`passage.lexical`, `link.page.0`, `carry`), the values to try."""


def value_of(config: BestConfig, name: str) -> Any:
    """A constant by its name in a grid."""
    value: Any = config
    for part in name.split("."):
        value = value[int(part)] if part.isdigit() else getattr(value, part)
    return value


def with_value(config: BestConfig, name: str, value: float) -> BestConfig:
    """The configuration with one constant changed."""
    group, *rest = name.split(".")
    if not rest:
        changed: dict[str, Any] = {name: value}
        return replace(config, **changed)
    inner = getattr(config, group)
    if len(rest) == 2:
        pair = list(getattr(inner, rest[0]))
        pair[int(rest[1])] = value
        return replace(config, **{group: replace(inner, **{rest[0]: tuple(pair)})})
    return replace(config, **{group: replace(inner, **{rest[0]: value})})


def one_at_a_time(
    start: BestConfig, grid: Grid, value: Callable[[BestConfig], float], least_gain: float
) -> BestConfig:
    """Change each constant of a grid in turn, where that raises the value by more than the gain."""
    best, least = start, value(start) + least_gain
    for name, candidates in grid.items():
        for candidate in candidates:
            changed = with_value(best, name, candidate)
            new = value(changed)
            if new > least:
                best, least = changed, new + least_gain
    return best


def differences(config: BestConfig) -> dict[str, Any]:
    """The constants that differ from the defaults."""
    default = BestConfig()
    return {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if getattr(config, field.name) != getattr(default, field.name)
    }
