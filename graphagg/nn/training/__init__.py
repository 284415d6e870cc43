"""Training of graph models: data, the loop, checkpoints and results."""

from typing import TYPE_CHECKING

from graphagg.lazy import lazy_names

# isort: off
if TYPE_CHECKING:
    from graphagg.nn.config.training import TrainingConfig as TrainingConfig
    from graphagg.nn.training.data.dataset import (
        GraphData as GraphData,
        Shape as Shape,
        Split as Split,
    )
    from graphagg.nn.training.data.random_splits import random_splits as random_splits
    from graphagg.nn.training.data.sources import load_data as load_data, save_graphs as save_graphs
    from graphagg.nn.training.predictor import Predictor as Predictor, load_model as load_model
    from graphagg.nn.training.auto import train_auto as train_auto
    from graphagg.nn.training.results import (
        Score as Score,
        SplitResult as SplitResult,
        TrainingResult as TrainingResult,
    )
    from graphagg.nn.training.run import train as train
else:
    __getattr__, __dir__, __all__ = lazy_names(__name__)
# isort: on
