from __future__ import annotations

from graphagg.nn.presets import presets
from graphagg.nn.presets.sources import PUBLISHED, source_of


def test_published_figures_are_of_presets_and_say_where_they_stand() -> None:
    assert set(PUBLISHED) <= set(presets())
    assert all(figure.metric and figure.value and figure.source for figure in PUBLISHED.values())
    # Of these the data come by name, so that the command of the table needs no file.
    asked = ("peptides-func", "peptides-struct", "malnet-tiny", "pattern", "cluster", "mnist")
    assert all(source_of(name) and name in PUBLISHED for name in (*asked, "cifar10"))
