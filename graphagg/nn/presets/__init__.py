"""Models and training settings by name, and the TOML files that say the same."""

from graphagg.nn.presets.lookup import preset, presets, read_preset
from graphagg.nn.presets.preset import Preset

__all__ = ["Preset", "preset", "presets", "read_preset"]
