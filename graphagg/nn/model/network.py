"""GPS model: features and encodings, L layers, and a head (arXiv 2205.12454)."""

from __future__ import annotations

import os
from contextlib import nullcontext

import torch
from torch import Tensor
from torch_geometric.data import Data

from graphagg.errors import InvalidFeatures
from graphagg.nn.checks import check_finite, checks_values, skip_value_checks
from graphagg.nn.config.model import FeatureConfig, GPSConfig
from graphagg.nn.conv.base import check_edge_index
from graphagg.nn.gps import GPSLayer
from graphagg.nn.model.encoding import build_encoder, encoding_transforms
from graphagg.nn.model.features import FeatureEncoder
from graphagg.nn.model.heads import Head
from graphagg.nn.model.saving import check_shapes, read_config, read_weights, write_model
from graphagg.nn.segments import Segments


class GPS(torch.nn.Module):
    """A graph transformer, or with `attention.name = "none"` a message-passing network.

    Paper: Rampášek et al., Recipe for a General, Powerful, Scalable Graph Transformer,
    arXiv 2205.12454.

    The model reads from a `Data` or a batch, without changing it: `x` `[N, columns]`, `edge_index`
    `[2, E]`, `edge_attr` `[E, columns]`, the attributes that the transforms of `encodings` write,
    `edge_label_index` `[2, P]` for an edge task, and `ptr` or `batch`. In evaluation mode, the
    predictions for a graph do not depend on the batch; in training, batch norm does.

    Args:
        config: settings of the model.

    Raises:
        InvalidParameter: a part is unknown, or its input is missing.

    Examples:
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from graphagg.nn import GPS, FeatureConfig, GPSConfig
        >>> model = GPS(GPSConfig(FeatureConfig(width=3), channels=16, layers=2)).eval()
        >>> graph = Data(x=torch.randn(4, 3), edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]]))
        >>> tuple(model(graph).shape)
        (1, 1)
    """

    def __init__(self, config: GPSConfig) -> None:
        super().__init__()
        self.config = config
        self.nodes = _features(config.nodes, config.feature_channels, "x")
        self.edges = _features(config.edges, config.channels, "edge_attr")
        self.encodings = torch.nn.ModuleList(build_encoder(e) for e in config.encodings)
        encoding_transforms(config)  # raises if encodings conflict
        edge_channels = config.channels if config.edges.used else None
        self.layers = torch.nn.ModuleList(
            GPSLayer(
                config.channels, config.local, config.attention, edge_channels=edge_channels,
                layer=config.layer,
            )
            for _ in range(config.layers)
        )  # fmt: skip
        self.head = Head(config.head, config.channels)

    def forward(self, data: Data) -> Tensor:
        """Predict for a graph or a batch of graphs.

        Args:
            data: see the class.

        Returns:
            `[G, *shape]` for a graph task, `[N, *shape]` for a node task, `[P, *shape]` for an
            edge task, with `shape` from the head's config.

        Raises:
            InvalidFeatures: features are missing, have the wrong width, are not finite, or are
                outside the vocabulary.
            InvalidBatch: indices are out of range or of the wrong type.
        """
        graphs = batch_segments(data)
        x, edge_attr = self._vertices(data, graphs), self._edges(data, graphs)
        for depth, layer in enumerate(self.layers):
            # Only the first layer needs to check the values of its input.
            checked = depth > 0 and not torch.compiler.is_compiling()
            with skip_value_checks() if checked else nullcontext():
                x, edge_attr = layer(x, data.edge_index, edge_attr, segments=graphs)
        if checks_values():
            check_finite(x)
        out: Tensor = self.head(x, graphs, getattr(data, "edge_label_index", None))
        return out

    def _vertices(self, data: Data, graphs: Segments) -> Tensor:
        columns = [encode(data) for encode in self.encodings]
        if self.nodes is not None:
            columns.insert(0, self.nodes(getattr(data, "x", None), graphs.rows, graphs))
        return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)

    def _edges(self, data: Data, graphs: Segments) -> Tensor | None:
        if self.edges is None:
            return None
        source = data.edge_index[0]
        owner = Segments(graphs.ptr, graphs.index[source])
        out: Tensor = self.edges(getattr(data, "edge_attr", None), source.numel(), owner)
        return out

    @property
    def parameter_count(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `config.json` and `model.safetensors`, each atomically.

        Raises:
            WriteFailed: the folder cannot be written.
        """
        write_model(folder, self.config, self.state_dict())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> GPS:
        """Load a saved model, in evaluation mode and in the precision of its weights.

        Args:
            folder: a folder that `save` wrote.

        Raises:
            UnreadableFile: a file is missing, truncated or of another kind.
            CheckpointMismatch: the saved config does not fit the weights.

        Examples:
            >>> import tempfile
            >>> from graphagg.nn import GPS, FeatureConfig, GPSConfig
            >>> model = GPS(GPSConfig(FeatureConfig(width=3), channels=16, layers=1))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     model.save(folder)
            ...     GPS.load(folder).config == model.config
            True
        """
        config = read_config(folder)
        weights, path = read_weights(folder, config)  # before allocating memory for the model
        model = cls(config)
        check_shapes(path, weights, model.state_dict())
        precision = next((w.dtype for w in weights.values() if w.is_floating_point()), None)
        model.to(precision).load_state_dict(weights)
        return model.eval()


def batch_segments(data: Data) -> Segments:
    """Return the graphs of a `Data` or batch, after checking its edges.

    Raises `InvalidFeatures` for an unknown number of vertices, and `InvalidBatch` for `ptr`,
    `batch` or `edge_index` that do not fit.
    """
    rows = data.num_nodes
    if rows is None:
        raise InvalidFeatures("data has neither x nor num_nodes; expected one of them")
    edge_index = data.edge_index
    if edge_index is None:
        raise InvalidFeatures("edge_index is missing; expected [2, E], with E = 0 without edges")
    check_edge_index(edge_index, rows)
    ptr, batch = getattr(data, "ptr", None), getattr(data, "batch", None)
    return Segments.from_batch(rows, ptr, batch, edge_index.device)


def _features(config: FeatureConfig, channels: int, name: str) -> FeatureEncoder | None:
    return FeatureEncoder(config, channels, name) if config.used else None
