"""Models and training settings by name, and from TOML files."""

from graphagg.nn.presets.preset import Preset
from graphagg.nn.presets.resolver import override, preset, presets, read_preset

__all__ = ["Preset", "override", "preset", "presets", "read_preset"]
