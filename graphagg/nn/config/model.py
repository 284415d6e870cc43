"""Settings of a GPS model: its features, layers and predictions.

Defaults come from the GraphGPS paper (arXiv 2205.12454) where it uses one value for all data sets.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any, Literal

from graphagg.errors import InvalidParameter
from graphagg.nn.settings import (
    LARGE,
    PROBABILITY,
    STRICT,
    check_choices,
    check_integers,
    check_numbers,
    check_sizes,
    parse,
    part_width,
)

Norm = Literal["batch", "layer", "none"]
LayerOrder = Literal["gps", "gnn+", "plain"]
TaskLevel = Literal["graph", "node", "edge"]
HeadKind = Literal["san", "mlp", "dot"]
GraphPooling = Literal["add", "mean", "max"]

OFF = "none"
_MOST_WEIGHTS = 2**28  # 1 GiB of float32


@dataclass(frozen=True)
class FeatureConfig:
    """Configuration of the columns of `x` or `edge_attr`.

    The categorical columns come first, then the real-valued ones. Each categorical column has an
    embedding, the real-valued ones share a linear map, and all of them are summed.

    Attributes:
        vocabulary: number of categories of each categorical column; a column holds integers
            starting at 0.
        width: number of real-valued columns.
        constant: use one learned vector for every row; no column is read.
        dropout: probability of dropout in the real-valued columns.

    Examples:
        >>> from graphagg.nn import FeatureConfig
        >>> FeatureConfig(vocabulary=(28,), width=3).columns
        4
    """

    __pydantic_config__ = STRICT

    vocabulary: tuple[int, ...] = ()
    width: int = 0
    constant: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self, vocabulary=(1, LARGE))
        check_integers(self, width=(0, LARGE))
        check_numbers(self, dropout=PROBABILITY)
        if self.constant and self.columns:
            raise InvalidParameter(
                f"constant features read no column, but {self.columns} are given; "
                "drop either `constant` or `vocabulary` and `width`"
            )

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.vocabulary) + self.width

    @property
    def used(self) -> bool:
        """Whether any features are configured."""
        return self.constant or self.columns > 0


@dataclass(frozen=True)
class EncodingConfig:
    """Configuration of a positional or structural encoding.

    Attributes:
        name: the encoder, such as `rwse` or `lappe-deepset`; see `graphagg.nn.model.encoding`.
        dim: number of the model's channels that hold the encoding.
        size: number of columns that the transform writes: eigenvectors, or steps of `rwse`. 0: the
            transform's default.

    Examples:
        >>> from graphagg.nn import EncodingConfig
        >>> EncodingConfig("rwse", 16, size=20).size
        20
    """

    __pydantic_config__ = STRICT

    name: str
    dim: int
    size: int = 0

    def __post_init__(self) -> None:
        check_integers(self, dim=(1, LARGE), size=(0, LARGE))


@dataclass(frozen=True)
class LocalConfig:
    """Configuration of the local, message-passing part of a layer.

    Attributes:
        name: name of the part, such as `gatedgcn`, `gine` or `gcn`; see `graphagg.nn.conv.base`.
            `none`: no local part.
        aggregation: aggregator of the messages, such as `lcm`; see
            `graphagg.nn.aggr.make_aggregation`. Empty: the default of the convolution.

    Examples:
        >>> from graphagg.nn import LocalConfig
        >>> LocalConfig("gine").name
        'gine'
    """

    __pydantic_config__ = STRICT

    name: str = "gatedgcn"
    aggregation: str = ""


@dataclass(frozen=True)
class AttentionConfig:
    """Configuration of the global part of a layer.

    Attributes:
        name: name of the part, such as `exact` or `performer`; see
            `graphagg.nn.attention.ATTENTIONS`. `none`: no global part.
        heads: number of heads; must divide the width.
        dropout: probability of dropping attention weights, or outputs if the kind has no weights.

    Examples:
        >>> from graphagg.nn import AttentionConfig
        >>> AttentionConfig("performer", heads=8, dropout=0.5).heads
        8
    """

    __pydantic_config__ = STRICT

    name: str = "exact"
    heads: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_integers(self, heads=(1, LARGE))
        check_numbers(self, dropout=PROBABILITY)


@dataclass(frozen=True)
class LayerOptions:
    """Norm, dropout and order of the two parts of a layer.

    Attributes:
        norm: normalization after each residual.
        dropout: probability of dropout after each part, and twice in the feed-forward network.
        feedforward: hidden width of the feed-forward network, as a multiple of `channels`; 0: none.
        order: order of the steps after the local part. `gps`: residual, then norm. `gnn+` (arXiv
            2502.09263): norm, activation and dropout, then residual. `plain`: like `gnn+` without
            residual, also if there is no local part.

    Examples:
        >>> from graphagg.nn import LayerOptions
        >>> LayerOptions(norm="layer", dropout=0.1).norm
        'layer'
    """

    __pydantic_config__ = STRICT

    norm: Norm = "batch"
    dropout: float = 0.0
    feedforward: int = 2
    order: LayerOrder = "gps"

    def __post_init__(self) -> None:
        check_choices(self, norm=Norm, order=LayerOrder)
        check_numbers(self, dropout=PROBABILITY)
        check_integers(self, feedforward=(0, 64))


@dataclass(frozen=True)
class HeadConfig:
    """Configuration of the head, which maps vertex vectors to predictions.

    Attributes:
        task: predict for each `graph`, `node`, or `edge` (pair of `edge_label_index`).
        kind: `san` halves the width `layers` times before the last linear map; `mlp` keeps the
            width for `layers - 1` hidden layers; `dot`, for edges only, is the dot product of the
            endpoints, each after `layers` layers.
        pooling: how the vectors of a graph's vertices are pooled, if the task is `graph`.
        layers: depth; see `kind`.
        norm: normalization of the hidden layers of `mlp` and `dot`.
        shape: shape of one prediction.

    Examples:
        >>> from graphagg.nn import HeadConfig
        >>> HeadConfig(task="node", kind="mlp", shape=(7,)).width
        7
    """

    __pydantic_config__ = STRICT

    task: TaskLevel = "graph"
    kind: HeadKind = "san"
    pooling: GraphPooling = "mean"
    layers: int = 2
    norm: Norm = "none"
    shape: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        check_choices(self, task=TaskLevel, kind=HeadKind, pooling=GraphPooling, norm=Norm)
        if not self.shape:
            raise InvalidParameter("shape is (); expected at least one size, such as (1,)")
        check_integers(self, layers=(1, 100))
        check_sizes(self, shape=(1, LARGE))
        if self.kind == "dot" and (self.task != "edge" or self.width != 1):
            raise InvalidParameter(
                f"kind 'dot' returns one number per pair, but task is {self.task!r} and shape "
                f"{self.shape}; expected task 'edge' and shape (1,)"
            )

    @property
    def width(self) -> int:
        """Length of one prediction."""
        return prod(self.shape)


@dataclass(frozen=True)
class GPSConfig:
    """Configuration of a GPS model.

    Attributes:
        nodes: vertex features.
        edges: edge features.
        encodings: positional and structural encodings, concatenated after the vertex features.
        channels: width d of the layers.
        layers: number L of layers.
        local: the local part of every layer.
        attention: the global part of every layer.
        layer: norm, dropout and order.
        head: maps vertex vectors to predictions.

    Examples:
        >>> from graphagg.nn import FeatureConfig, GPSConfig
        >>> config = GPSConfig(FeatureConfig(width=3), channels=16, layers=2)
        >>> GPSConfig.from_dict(config.to_dict()) == config
        True
    """

    __pydantic_config__ = STRICT

    nodes: FeatureConfig = field(default_factory=FeatureConfig)
    edges: FeatureConfig = field(default_factory=FeatureConfig)
    encodings: tuple[EncodingConfig, ...] = ()
    channels: int = 64
    layers: int = 5
    local: LocalConfig = field(default_factory=LocalConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    layer: LayerOptions = field(default_factory=LayerOptions)
    head: HeadConfig = field(default_factory=HeadConfig)

    def __post_init__(self) -> None:
        check_integers(self, channels=(1, LARGE), layers=(1, 1000))
        empty = OFF == self.local.name == self.attention.name and not self.layer.feedforward
        if empty and self.layer.order != "plain":
            raise InvalidParameter(
                "local.name and attention.name are 'none' and layer.feedforward is 0; a layer "
                "needs at least one of them, or layer.order 'plain'"
            )
        if self.attention.name != OFF:
            part_width("attention.heads", self.attention.heads, "channels", self.channels)
        encoded = self.channels - self.feature_channels
        if self.nodes.used and self.feature_channels < 1:
            raise InvalidParameter(
                f"the encodings take {encoded} of {self.channels} channels and leave none to the "
                "vertex features; lower their `dim`"
            )
        if not self.nodes.used and self.feature_channels:
            raise InvalidParameter(
                f"nodes has no features, so the encodings must fill {self.channels} channels, but "
                f"they have {encoded}; give nodes `vocabulary` or `width`, or set `constant`"
            )
        if self.fewest_weights > _MOST_WEIGHTS:
            raise InvalidParameter(
                f"the model has at least {self.fewest_weights:,} weights, expected at most "
                f"{_MOST_WEIGHTS:,}; lower `channels`, `layers` or the widths, or number "
                "categories and classes without gaps"
            )

    @property
    def feature_channels(self) -> int:
        """Channels of the vertex features."""
        return self.channels - sum(e.dim for e in self.encodings)

    @property
    def fewest_weights(self) -> int:
        """Lower bound on the number of weights of the model."""
        square = (self.local.name != OFF) + 4 * (self.attention.name != OFF)
        square += 2 * self.layer.feedforward
        return (
            self.layers * square * self.channels**2
            + (sum(self.nodes.vocabulary) + self.nodes.width) * self.feature_channels
            + (sum(self.edges.vocabulary) + self.edges.width) * self.channels
            + (self.head.width if self.head.kind != "dot" else 0)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON and TOML."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GPSConfig:
        """Create a config from the result of `to_dict`; missing fields get their defaults.

        Raises:
            InvalidParameter: a field is unknown, or a value has the wrong type or is out of range.
        """
        return parse(cls, values, "model")
