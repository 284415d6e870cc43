"""Settings of a GPS model: what it reads, what its layers are made of, what it answers.

The defaults are those of the GraphGPS paper (arXiv 2205.12454) where it has one for all data sets.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from math import prod
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from graphagg.errors import InvalidParameter

Norm = Literal["batch", "layer", "none"]
Activation = Literal["relu", "gelu", "elu", "silu", "tanh"]
Laplacian = Literal["sym", "rw", "none"]
Order = Literal["gps", "gnn+"]
Task = Literal["graph", "node", "edge"]
HeadKind = Literal["san", "mlp", "dot"]
Pooling = Literal["add", "mean", "max"]

OFF = "none"
_LARGE = 2**31
_STRICT = ConfigDict(extra="forbid", strict=True)
_T = TypeVar("_T")


@dataclass(frozen=True)
class FeatureConfig:
    """Columns of `x` or of `edge_attr`.

    The categorical columns come first, then the real-valued ones. Each categorical column has an
    embedding, the real-valued ones share a linear map, and all of them are summed.

    Attributes:
        vocabulary: Number of categories of each categorical column; a column holds whole numbers
            from 0.
        width: Number of real-valued columns.
        constant: One learned vector for every row; the data is not read.
        batch_norm: Batch norm and ReLU after the sum, for columns without a scale.
    """

    __pydantic_config__ = _STRICT

    vocabulary: tuple[int, ...] = ()
    width: int = 0
    constant: bool = False
    batch_norm: bool = False

    def __post_init__(self) -> None:
        for size in self.vocabulary:
            within("vocabulary", size, 1, _LARGE)
        within("width", self.width, 0, _LARGE)
        if self.constant and self.columns:
            raise InvalidParameter(
                f"constant features read no column, but {self.columns} are given; "
                "drop either `constant` or `vocabulary` and `width`"
            )

    @property
    def columns(self) -> int:
        """Number of columns that are read."""
        return len(self.vocabulary) + self.width

    @property
    def used(self) -> bool:
        """Whether there are features at all."""
        return self.constant or self.columns > 0


@dataclass(frozen=True)
class EncodingConfig:
    """A positional or structural encoding.

    Attributes:
        name: The encoder, such as `rwse` or `lappe-deepset`; see `graphagg.nn.encodings.encoder`.
        dim: Its share of the model's width.
        size: What the transform writes on a vertex: eigenvectors of `lappe-*`, `signnet-*` and
            `equivstable`, steps of `rwse`, times of `heat`, lengths of `cycles` from 3 on. 0: the
            transform's default.
        layers: Depth of the encoder. 0: the encoder's default.
        laplacian: Of which Laplacian the eigenvectors are; `none` is D - A, as in GraphGPS.
        trivial: Whether the eigenvectors of the eigenvalue 0 are among them, as in GraphGPS.
    """

    __pydantic_config__ = _STRICT

    name: str
    dim: int
    size: int = 0
    layers: int = 0
    laplacian: Laplacian = "none"
    trivial: bool = True

    def __post_init__(self) -> None:
        one_of("laplacian", self.laplacian, get_args(Laplacian))
        within("dim", self.dim, 1, _LARGE)
        within("size", self.size, 0, _LARGE)
        within("layers", self.layers, 0, 1000)

    @property
    def relative(self) -> bool:
        """Whether it gives positions to the local part rather than features to the vertices."""
        return self.name == "equivstable"


@dataclass(frozen=True)
class LocalConfig:
    """The local, message-passing part of a layer.

    Attributes:
        name: Such as `gatedgcn`, `gine` or `gcn`; see `graphagg.nn.conv.local`. `none`: no local
            part.
        aggregation: What combines the messages, such as `lcm`; see
            `graphagg.nn.aggr.aggregation`. Empty: what the convolution was published with.
    """

    __pydantic_config__ = _STRICT

    name: str = "gatedgcn"
    aggregation: str = ""


@dataclass(frozen=True)
class AttentionConfig:
    """The global part of a layer.

    Attributes:
        name: Such as `exact` or `performer`; see `graphagg.nn.attention.attention`. `none`: no
            global part.
        heads: Must divide the width.
        dropout: On the attention weights, where the kind of attention has any.
        energy_gate: Whether the values are gated by a learned projection of the keys.
    """

    __pydantic_config__ = _STRICT

    name: str = "exact"
    heads: int = 4
    dropout: float = 0.0
    energy_gate: bool = False

    def __post_init__(self) -> None:
        within("heads", self.heads, 1, _LARGE)
        _fraction("dropout", self.dropout)


@dataclass(frozen=True)
class LayerOptions:
    """What surrounds the two parts of a layer.

    Attributes:
        norm: Normalization after each residual.
        activation: Of the feed-forward network and of the `gnn+` order.
        dropout: After each part, and twice in the feed-forward network.
        feedforward: Hidden width of the feed-forward network over the layer's width; 0 has none.
        order: Of the local part. `gps`: residual, then norm. `gnn+` (arXiv 2502.09263): norm,
            activation and dropout, then residual.
    """

    __pydantic_config__ = _STRICT

    norm: Norm = "batch"
    activation: Activation = "relu"
    dropout: float = 0.0
    feedforward: int = 2
    order: Order = "gps"

    def __post_init__(self) -> None:
        one_of("norm", self.norm, get_args(Norm))
        one_of("activation", self.activation, get_args(Activation))
        one_of("order", self.order, get_args(Order))
        _fraction("dropout", self.dropout)
        within("feedforward", self.feedforward, 0, 64)


@dataclass(frozen=True)
class HeadConfig:
    """From the vertices' last vectors to answers.

    Attributes:
        task: What an answer is about: a `graph`, a `node`, or an `edge`: a pair of
            `edge_label_index`.
        kind: `san` halves the width `layers` times before the last linear map; `mlp` keeps the
            width for `layers - 1` hidden layers; `dot`, for edges only, is the dot product of the
            endpoints, each after `layers` layers.
        pooling: Of a graph's vertices, where the task is `graph`.
        layers: Depth, as `kind` reads it.
        norm: Of the hidden layers of `mlp` and `dot`.
        shape: Of one answer.
    """

    __pydantic_config__ = _STRICT

    task: Task = "graph"
    kind: HeadKind = "san"
    pooling: Pooling = "mean"
    layers: int = 2
    norm: Norm = "none"
    shape: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        one_of("task", self.task, get_args(Task))
        one_of("kind", self.kind, get_args(HeadKind))
        one_of("pooling", self.pooling, get_args(Pooling))
        one_of("norm", self.norm, get_args(Norm))
        within("layers", self.layers, 1, 100)
        if not self.shape:
            raise InvalidParameter("shape is (); wanted at least one size, such as (1,)")
        for size in self.shape:
            within("shape", size, 1, _LARGE)
        if self.kind == "dot" and (self.task != "edge" or self.width != 1):
            raise InvalidParameter(
                f"kind 'dot' gives one number a pair, but task is {self.task!r} and shape "
                f"{self.shape}; wanted task 'edge' and shape (1,)"
            )

    @property
    def width(self) -> int:
        """Numbers in one answer."""
        return prod(self.shape)


@dataclass(frozen=True)
class GPSConfig:
    """A GPS model.

    Attributes:
        nodes: Vertex features.
        edges: Edge features.
        encodings: Positional and structural encodings, concatenated after the vertex features.
        channels: Width d of the layers.
        layers: Number L of layers.
        local: The local part of every layer.
        attention: The global part of every layer.
        rrwp: Steps of the random walks whose probabilities bias the attention of each pair of
            vertices (arXiv 2305.17589, as a bias only); 0 has no bias.
        layer: What surrounds the two.
        head: From vertices to answers.
    """

    __pydantic_config__ = _STRICT

    nodes: FeatureConfig = field(default_factory=FeatureConfig)
    edges: FeatureConfig = field(default_factory=FeatureConfig)
    encodings: tuple[EncodingConfig, ...] = ()
    channels: int = 64
    layers: int = 5
    local: LocalConfig = field(default_factory=LocalConfig)
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    rrwp: int = 0
    layer: LayerOptions = field(default_factory=LayerOptions)
    head: HeadConfig = field(default_factory=HeadConfig)

    def __post_init__(self) -> None:
        within("channels", self.channels, 1, _LARGE)
        within("layers", self.layers, 1, 1000)
        if OFF == self.local.name == self.attention.name:
            raise InvalidParameter(
                "local.name and attention.name are both 'none'; a layer needs at least one of them"
            )
        within("rrwp", self.rrwp, 0, 10_000)
        if self.attention.name != OFF and self.channels % self.attention.heads:
            raise InvalidParameter(
                f"attention.heads is {self.attention.heads}, which does not divide "
                f"channels {self.channels}"
            )
        self._check_widths()

    def _check_widths(self) -> None:
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

    @property
    def feature_channels(self) -> int:
        """Channels left to the vertex features."""
        return self.channels - sum(e.dim for e in self.encodings if not e.relative)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, such as JSON and TOML hold."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GPSConfig:
        """The inverse of `to_dict`; fields left out have their defaults.

        Raises:
            InvalidParameter: An unknown field, or a value of the wrong type or out of range.
        """
        return parse(cls, values, "model")


def parse(kind: type[_T], values: dict[str, Any], where: str) -> _T:
    """A dataclass of `kind` from plain values, strictly.

    Args:
        kind: A dataclass, perhaps with dataclasses in it.
        values: Its fields.
        where: What errors call it.

    Raises:
        InvalidParameter: An unknown field, or a value of the wrong type or out of range.
    """
    for name in values:
        if name not in _names(kind):
            raise InvalidParameter(f"{where}.{name} is not a field; {_choice(kind)}")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        location = first["loc"]
        name = ".".join([where, *map(str, location)])
        if first["type"] == "unexpected_keyword_argument":
            choice = _choice(_at(kind, location[:-1]))
            raise InvalidParameter(f"{name} is not a field; {choice}") from None
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise InvalidParameter(f"{name} is {first['input']!r}: {message}") from None
    except TypeError as error:
        raise InvalidParameter(f"{where} holds what JSON cannot: {error}") from None


def differences(left: Any, right: Any, where: str = "") -> list[str]:
    """Fields in which two configs differ, as `field: left, right`, in the order of the fields."""
    if is_dataclass(left) and type(left) is type(right):
        return [
            line
            for part in fields(left)
            for line in differences(
                getattr(left, part.name),
                getattr(right, part.name),
                f"{where}.{part.name}" if where else part.name,
            )
        ]
    return [] if left == right else [f"{where}: {_shown(left)}, {_shown(right)}"]


def one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Check a choice.

    Raises:
        InvalidParameter: `value` is none of `choices`.
    """
    if value not in choices:
        raise InvalidParameter(f"{name} is {value!r}, wanted one of {', '.join(choices)}")


def within(name: str, value: object, low: int, high: int) -> None:
    """Check an integer.

    Raises:
        InvalidParameter: `value` is no integer from `low` to `high`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidParameter(f"{name} is {value!r}, wanted an integer from {low} to {high}")


def _fraction(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InvalidParameter(f"{name} is {value!r}, wanted a number from 0 to below 1")


def _names(kind: Any) -> list[str]:
    return [part.name for part in fields(kind)]


def _choice(kind: Any) -> str:
    return f"the fields are {', '.join(_names(kind))}"


def _at(kind: Any, location: tuple[int | str, ...]) -> Any:
    """The dataclass at a place inside of `kind`."""
    for name in location:
        if isinstance(name, str):
            hint = get_type_hints(kind)[name]
            kind = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return kind


def _shown(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        return str(asdict(value))
    return repr(value)
