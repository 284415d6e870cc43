"""Lists of stop words, out of bm25s: its file of lists is read without the library around it.

bm25s looks for numba and other engines when it is imported; a question needs the words alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from graphagg.errors import MissingExtra

_PREFIX = "STOPWORDS_"


def stop_words_of(name: str) -> tuple[str, ...]:
    """The list of a language by its name, such as `GERMAN`; () where there is none.

    Raises:
        MissingExtra: bm25s is not installed.
    """
    return _lists().get(name, ())


@cache
def _lists() -> Mapping[str, tuple[str, ...]]:
    found = find_spec("bm25s")
    if found is None or not found.submodule_search_locations:
        raise MissingExtra("bm25s", "search")
    path = Path(next(iter(found.submodule_search_locations))) / "stopwords.py"
    spec = spec_from_file_location("graphagg_stopwords", path)
    assert spec is not None and spec.loader is not None, "a file of Python has a loader"
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    lists = {name: words for name, words in vars(module).items() if name.startswith(_PREFIX)}
    return {name.removeprefix(_PREFIX): tuple(words) for name, words in lists.items()}
