"""Presets: models with training settings, found by name or read from TOML files."""

from graphagg.nn.presets.preset import Preset
from graphagg.nn.presets.resolver import get_preset, override, preset_names, read_preset

__all__ = ["Preset", "get_preset", "override", "preset_names", "read_preset"]
