"""YAML of front matter: plain values, as in YAML 1.2.

PyYAML reads YAML 1.1, where `no` and `on` are booleans and `12:30` is a number. Aliases are
refused: a few lines of them expand to gigabytes.
"""

from __future__ import annotations

import re
from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without aliases and with the plain values of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own form

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node; an alias is an error."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


_SIGNS = list("+-0123456789")
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", _SIGNS),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", [*_SIGNS, "."]),
    (
        "timestamp",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
        r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)?",
        list("0123456789"),
    ),
):
    Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first
    )


def _integer(loader: Loader, node: yaml.ScalarNode) -> int:
    return int(node.value)  # PyYAML reads 010 as eight


Loader.add_constructor("tag:yaml.org,2002:int", _integer)
