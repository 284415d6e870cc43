"""Graph learning: aggregators, attention, local parts, encodings, GPS models and their training.

Without PyTorch or PyTorch Geometric, the import raises `MissingExtra` with the install command.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from graphagg.errors import MissingExtra
from graphagg.lazy import lazy_names

# isort: off
if TYPE_CHECKING:
    from graphagg.nn.aggr import (
        LCMAggregation as LCMAggregation,
        make_aggregation as make_aggregation,
    )
    from graphagg.nn.attention import GraphAttention as GraphAttention
    from graphagg.nn.config.model import (
        AttentionConfig as AttentionConfig,
        EncodingConfig as EncodingConfig,
        FeatureConfig as FeatureConfig,
        GPSConfig as GPSConfig,
        HeadConfig as HeadConfig,
        LayerOptions as LayerOptions,
        LocalConfig as LocalConfig,
    )
    from graphagg.nn.conv import LocalPart as LocalPart, make_local_part as make_local_part
    from graphagg.nn.gps import GPSLayer as GPSLayer
    from graphagg.nn.model.encoding import encoding_transforms as encoding_transforms
    from graphagg.nn.model.network import GPS as GPS
    from graphagg.nn.presets import (
        Preset as Preset,
        get_preset as get_preset,
        read_preset as read_preset,
    )
    from graphagg.nn.segments import Segments as Segments
    from graphagg.nn.training import (
        TrainingConfig as TrainingConfig,
        load_model as load_model,
        random_splits as random_splits,
        save_graphs as save_graphs,
        train as train,
        train_auto as train_auto,
    )
else:
    __getattr__, __dir__, __all__ = lazy_names(__name__, extra="nn")
# isort: on

for _package in ("torch", "torch_geometric"):
    if find_spec(_package) is None:
        raise MissingExtra(_package, "nn")
