"""Models and training settings by name, and from TOML files."""

from graphagg.nn.presets.preset import Preset
from graphagg.nn.presets.resolver import preset, presets, read_preset

__all__ = ["Preset", "preset", "presets", "read_preset"]
