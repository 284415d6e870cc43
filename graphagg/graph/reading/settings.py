"""Options for reading edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from graphagg.checks import one_of, with_values
from graphagg.errors import InvalidParameter
from graphagg.graph.kinds import ID_TYPES, IdType

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")

_DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " "}


@dataclass(frozen=True)
class EdgeReading:
    """Options for reading edges.

    Specify a column by its name in the header or table, or by its number, starting at 1.

    Attributes:
        ids: type of the vertex ids: `integer`, `string`, or `auto` to detect it. With `string`,
            Python objects such as tuples are converted to text.
        header: whether the first line of text is a header; if its names are unknown, the first two
            columns are read. None: detect a header.
        source: column with the sources of edges, or the elements of a two-mode graph. None: a
            column with a known name, or else the first column.
        target: column with the targets of edges, or the sets of a two-mode graph. None: a
            column with a known name, or else the second column.
        delimiter: column separator in text: a character, tab or space. None: detect it.
        skip_bad_rows: skip rows that cannot be read, and report their number and the first
            one.

    Examples:
        >>> EdgeReading(source="from_user", delimiter="space").changed_fields()
        {'source': 'from_user', 'delimiter': ' '}
    """

    ids: IdType = "auto"
    header: bool | None = None
    source: str | None = None
    target: str | None = None
    delimiter: str | None = None
    skip_bad_rows: bool = False

    def __post_init__(self) -> None:
        one_of("ids", self.ids, ID_TYPES)
        if self.delimiter is not None:
            mark = _DELIMITERS.get(self.delimiter, self.delimiter)
            if len(mark) != 1 or not mark.isascii() or mark in '\n\r"':
                raise InvalidParameter(
                    f"delimiter is {self.delimiter!r}, expected one ASCII character other than a "
                    "quote, or tab or space"
                )
            object.__setattr__(self, "delimiter", mark)

    @property
    def weight_column(self) -> str | None:
        """The weight column that the user chose, or None."""
        column: str | None = getattr(self, "weight", None)
        return column

    @property
    def wants_weights(self) -> bool:
        """Whether to read weights if the edges have any."""
        return bool(getattr(self, "weighted", False))

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults; they identify the options."""
        default = type(self)()
        return {name: value for name, value in vars(self).items() if value != vars(default)[name]}

    def with_weights(self) -> WeightedReading:
        """Return the same options, but read weights if the edges have any."""
        return with_values(WeightedReading(), self.changed_fields())

    def unweighted(self) -> EdgeReading:
        """Return the same options without weights; `InvalidParameter` if `weight` is set."""
        if self.weight_column is not None:
            raise InvalidParameter(
                f"`weight` is {self.weight_column!r}, but an index of communities uses no "
                "weights; leave it out, or partition the graph with `detect`"
            )
        return with_values(
            EdgeReading(), {n: v for n, v in self.changed_fields().items() if n != "weighted"}
        )


@dataclass(frozen=True)
class WeightedReading(EdgeReading):
    """Options for reading edges with weights.

    Attributes:
        weight: column of the weights. None: a known name; without a header the third column.
        weighted: use the weights if the edges have any.

    Examples:
        >>> WeightedReading(weight="calls").weight_column
        'calls'
    """

    weight: str | None = None
    weighted: bool = True


def config_with(config: D, fields: Mapping[str, Any]) -> D:
    """Copy a configuration with changed fields; `InvalidParameter` for a reading option."""
    for name in fields.keys() & WeightedReading.__dataclass_fields__:
        raise InvalidParameter(
            f"`{name}` is not a parameter of the index; pass it in `columns`, which says how "
            f"edges are read: `columns=WeightedReading({name}=...)`"
        )
    return with_values(config, fields)


class ReadingOptions(TypedDict, total=False):
    """The fields of `EdgeReading`, as keyword arguments."""

    ids: IdType
    header: bool | None
    source: str | None
    target: str | None
    delimiter: str | None
    skip_bad_rows: bool


class WeightedReadingOptions(ReadingOptions, total=False):
    """The fields of `WeightedReading`, as keyword arguments."""

    weight: str | None
    weighted: bool
