"""Models and training settings by name, and the TOML files that say the same."""

from graphagg.nn.presets.preset import Preset
from graphagg.nn.presets.resolver import preset, presets, read_preset

__all__ = ["Preset", "preset", "presets", "read_preset"]
