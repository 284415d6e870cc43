"""Training of graph models: data, the loop, checkpoints and results."""

from graphagg.nn.training.config import TrainingConfig

__all__ = ["TrainingConfig"]
