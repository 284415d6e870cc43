"""The Lightning loop: module, checkpoints, interruption."""
