"""The commands of `graphagg rag shell`; its settings derive from `Request`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, get_args

from rich.markup import escape
from rich.table import Table

from graphagg.checks import one_of
from graphagg.cli.options import help_in
from graphagg.cli.output.passages import explanation_parts, hits_table
from graphagg.cli.request import OPTIONS
from graphagg.cli.shell.session import Parts, Session, expect_count, expect_one
from graphagg.cli.shell.words import scan
from graphagg.errors import InvalidParameter, InvalidQuestion, UnknownPassage
from graphagg.rag import Hit, Hits, PassageIndex
from graphagg.rag.config.modes import mode_named
from graphagg.rag.documents.filters import compile_filter
from graphagg.rag.question.request import request_of
from graphagg.tables import json_writer, save, table_writers

FIRST = 5
"""Passages that are shown at first, and that `more` adds."""

_KEPT = 64  # answers that are kept, so that undo is free
_MOST = 1_000
_NONE = "none"  # takes a setting back to its default
_COLUMNS = ["rank", "id", "title", "score", "text"]


@dataclass(frozen=True)
class View:
    """The state of a session.

    Attributes:
        question: the question; empty before the first.
        k: number of passages to show.
        settings: names and values of the options of a request that differ from their defaults.
    """

    question: str = ""
    k: int = FIRST
    settings: tuple[tuple[str, Any], ...] = ()

    def set(self, name: str, value: Any) -> View:
        """Change a setting."""
        values = {**dict(self.settings), name: tuple(value) if isinstance(value, list) else value}
        differing = {
            name: values[name] for name, option in OPTIONS.items()
            if name in values and values[name] not in (option.default, ())
        }  # fmt: skip
        return replace(self, settings=tuple(differing.items()))

    def get(self, name: str) -> Any:
        """The value of a setting."""
        return dict(self.settings).get(name, OPTIONS[name].default)


_request = lru_cache(_KEPT)(lambda settings: request_of(dict(settings)))  # keeps a reranker


class PassageShell(Session[View]):
    """Asks a passage index; a line that begins with no command is a question.

    Args:
        index: the index; its model loads at the first question.
        k: number of passages that a session begins with.
        settings: options of a request in words that it begins with, by name.

    Raises:
        InvalidParameter, InvalidFilter: about `k` and the settings.
    """

    ALIASES: ClassVar = {"top": "k"}
    FILES = ("save",)
    USAGE: ClassVar = {
        "ask": "QUESTION", "more": "[N]", "k": "[N]", "set": "[NAME [VALUE]]", "mode": "[NAME]",
        "filter": "[CONDITION]", "min_score": "[SCORE]", "why": "N", "open": "N", "save": "FILE",
    }  # fmt: skip

    def __init__(self, index: PassageIndex, k: int = FIRST, **settings: Any) -> None:
        self._index = index
        expect_count([str(k)], "the number of passages", None, _MOST)
        view = View("", k)
        for name, value in settings.items():
            view = view.set(name, value)
        self._check(view)
        self.answer = lru_cache(_KEPT)(self._answer)
        super().__init__(view)

    def run(self, line: str) -> Parts:
        """Run a line; a line that begins with no command is a question."""
        if self._is_question(line):
            return self.do_ask([line.strip()])
        first = next(iter(scan(line)), None)
        if first is not None and first.text == "ask":  # quotes within a question are its own
            return self.do_ask([line[first.start + len("ask") :].strip()])
        try:
            return super().run(line)
        except InvalidParameter as error:
            if len(list(scan(line))) <= 2:
                raise
            raise InvalidParameter(f"{error}; to ask it, write ask before it") from None

    def _is_question(self, line: str) -> bool:
        """Whether a line is no command: `why 2` is a command, `why did he leave?` a question."""
        words = [word.text for word in scan(line)]
        if not words or words[0] == "ask":
            return False
        if self.ALIASES.get(words[0], words[0]).replace("-", "_") in self.commands():
            return line.rstrip().endswith("?") and len(words) > 2
        if len(words) <= 2 and (near := self.closest(words[0], 0.6)):
            raise InvalidParameter(
                f"{words[0]!r} is no command; did you mean {near!r}? To ask it: ask {line}"
            )
        return True

    def _answer(self, view: View) -> tuple[Hit, ...]:
        if not view.question:
            raise InvalidQuestion("nothing is asked yet; write a question")
        return tuple(self._index.retrieve(view.question, view.k, _request(view.settings)))

    def _check(self, view: View) -> None:
        """Refuse a setting that is out of range, or a filter that does not fit the index."""
        compile_filter(_request(view.settings).filter or {}, self._index.schema)

    # --- changing --------------------------------------------------------------------------------

    def show(self, view: View, note: str = "") -> Parts:
        """The hits of the question; before the first question, a note."""
        if not view.question:
            return (note or "write a question; help lists the commands",)
        hits = self.answer(view)
        if not hits:
            least = "" if view.get("min_score") is None else " and reaches min-score"
            return (view.question, f"no passage fits the filter{least}")
        table = hits_table(hits, self._index, False)
        if view.get("mode") == "linearrag" and hits[0].method == "dense":
            return (
                view.question,
                table,
                "the question names no entity: ranked by similarity alone",
            )
        return (view.question, table)

    def do_ask(self, words: Sequence[str]) -> Parts:
        """Ask a question; the word ask may be left out."""
        if not any(words):
            raise InvalidQuestion("the question is empty; ask something")
        return self.go(replace(self.view, question=" ".join(words)))

    def do_more(self, words: Sequence[str]) -> Parts:
        """Show N more passages, 5 without N."""
        count = expect_count(words, "the number of further passages", FIRST, _MOST)
        wider = replace(self.view, k=min(self.view.k + count, _MOST))
        if wider.question and len(self.answer(wider)) <= (shown := len(self.answer(self.view))):
            return (f"these {shown:,} passages are all there are",)
        return self.go(wider, self.show(wider, f"{wider.k} passages"))

    def do_k(self, words: Sequence[str]) -> Parts:
        """Show N passages; top is the same."""
        if not words:
            return (f"{self.view.k} passages",)
        view = replace(self.view, k=expect_count(words, "the number of passages", None, _MOST))
        return self.go(view, self.show(view, f"{view.k} passages"))

    def do_set(self, words: Sequence[str]) -> Parts:
        """Change how questions are answered, or list the settings; none resets one."""
        if words:
            name = words[0].removeprefix("--").replace("-", "_")
            return self._set(one_of("setting", name, OPTIONS), words[1:])
        table = Table(box=None, pad_edge=False, show_header=False)
        for name, option in OPTIONS.items():
            value = escape(_text(self.view.get(name)))
            summary = escape(help_in(option.text, OPTIONS)[0])
            table.add_row(f"[bold]{_spelled(name)}[/bold]", value, summary)
        return (table,)

    def do_mode(self, words: Sequence[str]) -> Parts:
        """Rank by another mode, as set mode does."""
        return self._set("mode", words)

    def do_filter(self, words: Sequence[str]) -> Parts:
        """Keep only what fits, such as year>=2000, as set filter does; none drops all."""
        return self._set("filter", words)

    def do_min_score(self, words: Sequence[str]) -> Parts:
        """Leave out hits with a lower score, as set min-score does; none shows all."""
        return self._set("min_score", words)

    def _set(self, name: str, words: Sequence[str]) -> Parts:
        """Change a setting, or show it with the values that it takes."""
        now = f"{_spelled(name)} {_text(self.view.get(name))}"
        if not words and name == "filter":
            keys = ", ".join(f"{key} ({kind})" for key, kind in self._index.schema.items())
            return (now, f"keys: {keys or 'none'}")
        if not words:
            choices = ", ".join(self._choices(name))
            return (f"{now}, one of {choices}" if choices else now,)
        view = self.view.set(name, _value(name, words, self.view.get(name)))
        self._check(view)
        return self.go(view, self.show(view, f"{_spelled(name)} {_text(view.get(name))}"))

    def _choices(self, name: str) -> list[str]:
        return [each for each in get_args(OPTIONS[name].type) if isinstance(each, str)]

    # --- looking ---------------------------------------------------------------------------------

    def do_why(self, words: Sequence[str]) -> Parts:
        """Explain the path and score of hit N, or of a passage by its id."""
        view, identifier = self.view, self._identifier(self.answer(self.view), words)
        request = _request(view.settings)
        explanation = self._index.explain(view.question, identifier, view.k, request)
        return explanation_parts(explanation, self._index)

    def do_open(self, words: Sequence[str]) -> Parts:
        """Show the whole text of hit N, or of a passage by its id."""
        hits = self.answer(self.view) if self.view.question else ()
        passage = self._index[self._identifier(hits, words)]
        metadata = [f"{key}: {value}" for key, value in passage.metadata.items()]
        head = f"{passage.title} [{passage.id}]" if passage.title else f"[{passage.id}]"
        return (head, *metadata, "", passage.text)

    def do_save(self, words: Sequence[str]) -> Parts:
        """Write the hits as .csv, .parquet, .json or .jsonl."""
        target, hits = expect_one(words, "a file"), Hits(self.answer(self.view))
        plain = [hit.to_json() for hit in hits]
        lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in plain)
        writers = {
            **table_writers(lambda: hits.to_arrow().select(_COLUMNS)),
            **json_writer(lambda: {"question": self.view.question, "hits": plain}),
            ".jsonl": lambda path: path.write_text(lines, encoding="utf-8"),
        }
        save(Path(target).expanduser(), writers)
        return (f"wrote {target}",)

    # --- words -----------------------------------------------------------------------------------

    def _identifier(self, hits: Sequence[Hit], words: Sequence[str]) -> str:
        """The id of hit N; else the word itself is an id."""
        word = expect_one(words, "the number of a hit, or a passage's id")
        if word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= len(hits):
            return hits[int(word) - 1].passage.id
        if word not in self._index:
            shown = f"1 to {len(hits)}" if hits else "none yet"
            raise UnknownPassage(
                f"{word!r} is neither the number of a hit ({shown}) nor the id of a passage"
            )
        return word

    def args_set(self, prefix: str) -> list[str]:
        """Complete the name of a setting."""
        return [_spelled(name) for name in OPTIONS]

    def args_mode(self, prefix: str) -> list[str]:
        """Complete a mode."""
        return self._choices("mode")

    def args_filter(self, prefix: str) -> list[str]:
        """Complete a key of the metadata."""
        return [*self._index.schema, _NONE]

    def args_why(self, prefix: str) -> list[str]:
        """Complete the number of a hit."""
        hits = self.answer(self.view) if self.view.question else ()
        return [str(rank) for rank in range(1, len(hits) + 1)]

    args_open = args_why


def _value(name: str, words: Sequence[str], now: Any) -> Any:
    """Read the value of a setting; values of a list are added to it."""
    option = OPTIONS[name]
    if list(words) == [_NONE]:
        return option.default
    if option.type == list[str] | None:
        return (*(now or ()), *([" ".join(words)] if name == "filter" else words))
    word = expect_one(words, "a value")
    if name == "mode":
        return mode_named(word)
    kinds = [kind for kind in get_args(option.type) or (option.type,) if kind is not NoneType]
    if bool in kinds:
        return one_of(_spelled(name), word, ("true", "false")) == "true"
    if isinstance(kinds[0], str):
        return one_of(_spelled(name), word, kinds)
    try:
        return kinds[0](word)
    except ValueError:
        message = f"{_spelled(name)} is {word!r}, wanted a number, or {_NONE}"
        raise InvalidParameter(message) from None


def _spelled(name: str) -> str:
    return name.replace("_", "-")


def _text(value: Any) -> str:
    if value is None or value == ():
        return _NONE
    return " and ".join(value) if isinstance(value, tuple) else str(value)
