"""The commands of `graphagg rag shell`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from rich.console import RenderableType

from graphagg.cli.output.passages import explanation_parts, hits_table
from graphagg.cli.rag.options import selected
from graphagg.cli.shell.commands import Candidates, Command, Outcome, expect_count, expect_one
from graphagg.cli.shell.history import History
from graphagg.cli.shell.interpreter import CommandInterpreter
from graphagg.cli.shell.saving import save_hits
from graphagg.cli.shell.words import scan
from graphagg.errors import InvalidParameter, InvalidQuestion, UnknownPassage
from graphagg.rag import Hit, PassageIndex
from graphagg.rag.config.modes import MODES, Mode, mode_named
from graphagg.rag.question.checks import check_min_score

FIRST = 5
"""Passages that are shown at first, and that `more` adds."""

_KEPT = 64  # answers that are kept, so that undo is free
_MOST = 1_000
_NO_FILTER = "none"


@dataclass(frozen=True)
class View:
    """The state of a session.

    Attributes:
        question: the question; empty before the first.
        top: how many passages are shown.
        mode: how passages are ranked.
        filters: conditions on metadata, as written; all must hold.
        min_score: what scores less is not shown; None: nothing is left out.
    """

    question: str = ""
    top: int = FIRST
    mode: Mode = "multihop"
    filters: tuple[str, ...] = ()
    min_score: float | None = None


Session = History[View]
Shown = Outcome[View]


class PassageShell(CommandInterpreter[View]):
    """Asks a passage index; a line that begins with no command is a question.

    Args:
        index: the index; its model loads at the first question.
        top: how many passages a session begins with.
        mode: how it begins to rank.
        filters: what it begins with, as `filter` takes them.
        min_score: likewise, as `min-score` takes it.

    Raises:
        InvalidParameter, InvalidFilter: about what it should begin with.
    """

    def __init__(
        self,
        index: PassageIndex,
        top: int = FIRST,
        mode: str = "multihop",
        filters: Sequence[str] = (),
        min_score: float | None = None,
    ) -> None:
        self._index = index
        expect_count([str(top)], "how many passages", None, _MOST)
        check_min_score(min_score)
        self._check(tuple(filters))
        self.answer = lru_cache(_KEPT)(self._answer)
        super().__init__(
            View("", top, mode_named(mode), tuple(filters), min_score),
            {
                "ask": Command("QUESTION", "ask; the word ask may be left out", self.ask),
                "more": Command("[N]", f"show N more passages ({FIRST})", self.more),
                "top": Command("[N]", "show N passages", self.top),
                "min-score": Command(
                    "[SCORE]", "leave out what scores less; none shows all", self.min_score
                ),
                "mode": Command("[NAME]", "rank by " + ", ".join(MODES), self.mode, _a_mode),
                "filter": Command(
                    "[CONDITION]", "keep only what fits, such as year>=2000; none drops all",
                    self.filter, self._a_key,
                ),
                "why": Command(
                    "N", "the path and score of hit N, or of a passage by its id", self.why,
                    self._a_hit,
                ),
                "open": Command("N", "the whole text of hit N, or of a passage by its id",
                    self.open, self._a_hit),
                "save": Command("FILE", "write the hits as .csv, .json or .jsonl", self.save,
                    files=True),
            },
            self.show,
        )  # fmt: skip

    def run(self, history: Session, line: str) -> Shown:
        """Do what a line says; a line that begins with no command is a question."""
        if self._is_question(line):
            return self._asked(history, line.strip())
        first = next(iter(scan(line)), None)
        if first is not None and first.text == "ask":  # quotes within a question are its own
            return self._asked(history, line[first.start + len("ask") :].strip())
        try:
            return super().run(history, line)
        except InvalidParameter as error:
            if len(list(scan(line))) <= 2:
                raise
            raise InvalidParameter(f"{error}; to ask it, write ask before it") from None

    def _is_question(self, line: str) -> bool:
        """Whether a line is no command: `why 2` is one, `why did he leave?` is none."""
        words = [word.text for word in scan(line)]
        if not words or words[0] == "ask":
            return False
        if words[0] in self.commands:
            return line.rstrip().endswith("?") and len(words) > 2
        if len(words) <= 2 and (near := get_close_matches(words[0], self.commands, 1, 0.6)):
            raise InvalidParameter(
                f"{words[0]!r} is no command; did you mean {near[0]!r}? To ask it: ask {line}"
            )
        return True

    def _answer(self, view: View) -> tuple[Hit, ...]:
        visible = selected(list(view.filters), None, None, False)
        hits = self._index.retrieve(view.question, view.top, mode=view.mode,
            min_score=view.min_score, **visible)  # fmt: skip
        return tuple(hits)

    def _hits(self, history: Session) -> tuple[Hit, ...]:
        if not history.now.question:
            raise InvalidQuestion("nothing is asked yet; write a question")
        return self.answer(history.now)

    def status(self, view: View) -> str:
        """Mode, number of passages and filters."""
        filters = " and ".join(view.filters) or "none"
        least = "" if view.min_score is None else f" | min-score: {view.min_score:g}"
        return f"mode: {view.mode} | passages: {view.top} | filter: {filters}{least}"

    # --- changing --------------------------------------------------------------------------------

    def show(self, history: Session, note: str = "") -> Shown:
        """The hits of the question."""
        if not history.now.question:
            return Outcome(history, (note or "write a question; help lists the commands",))
        hits = self.answer(history.now)
        shown: tuple[RenderableType, ...] = (history.now.question,)
        if not hits:
            least = "" if history.now.min_score is None else " and reaches the least score"
            return Outcome(history, (*shown, f"no passage fits the filter{least}"))
        shown = (*shown, hits_table(hits, self._index, False))
        if history.now.mode == "linearrag" and hits[0].method == "dense":
            shown = (*shown, "the question names no entity: ranked by similarity alone")
        return Outcome(history, shown)

    def ask(self, history: Session, words: Sequence[str]) -> Shown:
        """Ask a question given as words."""
        return self._asked(history, " ".join(words))

    def _asked(self, history: Session, question: str) -> Shown:
        if not question:
            raise InvalidQuestion("the question is empty; ask something")
        return self.show(history.to(replace(history.now, question=question)))

    def top(self, history: Session, words: Sequence[str]) -> Shown:
        """Show another number of passages."""
        if not words:
            return Outcome(history, (f"{history.now.top} passages",))
        count = expect_count(words, "how many passages", None, _MOST)
        return self.show(history.to(replace(history.now, top=count)), f"{count} passages")

    def more(self, history: Session, words: Sequence[str]) -> Shown:
        """Show more passages."""
        count = expect_count(words, "how many more", FIRST, _MOST)
        total = min(history.now.top + count, _MOST)
        wider = history.to(replace(history.now, top=total))
        if history.now.question and len(self.answer(wider.now)) <= len(self.answer(history.now)):
            shown = len(self.answer(history.now))
            return Outcome(history, (f"these {shown:,} passages are all there are",))
        return self.show(wider, f"{total} passages")

    def min_score(self, history: Session, words: Sequence[str]) -> Shown:
        """Leave out what scores less."""
        if not words:
            return Outcome(history, (_least(history.now),))
        text = expect_one(words, "a score")
        value = None if text == _NO_FILTER else _number(text)
        view = replace(history.now, min_score=value)
        return self.show(history.to(view), _least(view))

    def mode(self, history: Session, words: Sequence[str]) -> Shown:
        """Rank by another mode."""
        if not words:
            return Outcome(history, (f"mode {history.now.mode}, one of {', '.join(MODES)}",))
        name = mode_named(expect_one(words, "a mode"))
        return self.show(history.to(replace(history.now, mode=name)), f"mode {name}")

    def filter(self, history: Session, words: Sequence[str]) -> Shown:
        """Add a condition, or drop all."""
        if not words:
            now = " and ".join(history.now.filters) or "no filter"
            keys = ", ".join(f"{key} ({kind})" for key, kind in self._index.schema.items())
            return Outcome(history, (now, f"keys: {keys or 'none'}"))
        text = " ".join(words)
        filters = () if text == _NO_FILTER else (*history.now.filters, text)
        self._check(filters)
        note = " and ".join(filters) or "no filter"
        return self.show(history.to(replace(history.now, filters=filters)), note)

    def _check(self, filters: tuple[str, ...]) -> None:
        """Raise `InvalidFilter` where a condition does not fit the index."""
        from graphagg.rag.documents.filters import compile_filter

        compile_filter(selected(list(filters), None, None, False)["filter"] or {},
            self._index.schema)  # fmt: skip

    # --- looking ---------------------------------------------------------------------------------

    def why(self, history: Session, words: Sequence[str]) -> Shown:
        """Why a passage is, or is not, among the hits."""
        hits, view = self._hits(history), history.now
        visible = selected(list(view.filters), None, None, False)
        explanation = self._index.explain(
            view.question, self._identifier(hits, words), view.top, mode=view.mode, **visible
        )
        return Outcome(history, explanation_parts(explanation, self._index))

    def open(self, history: Session, words: Sequence[str]) -> Shown:
        """A passage as a whole."""
        hits = self._hits(history) if history.now.question else ()
        passage = self._index[self._identifier(hits, words)]
        metadata = [f"{key}: {value}" for key, value in passage.metadata.items()]
        head = f"{passage.title} [{passage.id}]" if passage.title else f"[{passage.id}]"
        return Outcome(history, (head, *metadata, "", passage.text))

    def save(self, history: Session, words: Sequence[str]) -> Shown:
        """Write the hits."""
        target = expect_one(words, "a file")
        save_hits(history.now.question, self._hits(history), Path(target).expanduser())
        return Outcome(history, (f"wrote {target}",))

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

    def _a_key(self, history: Session, prefix: str) -> Candidates:
        keys = [(key, str(kind)) for key, kind in self._index.schema.items()]
        return [each for each in [*keys, (_NO_FILTER, "")] if each[0].startswith(prefix)]

    def _a_hit(self, history: Session, prefix: str) -> Candidates:
        if not history.now.question:
            return ()
        hits = enumerate(self.answer(history.now), 1)
        named = [(str(rank), hit.passage.title or hit.passage.id) for rank, hit in hits]
        return [each for each in named if each[0].startswith(prefix)]


def _least(view: View) -> str:
    return "no least score" if view.min_score is None else f"least score {view.min_score:g}"


def _number(text: str) -> float:
    try:
        value = float(text)
        check_min_score(value)
    except (ValueError, InvalidParameter):
        raise InvalidParameter(
            f"the least score is {text!r}, wanted a number such as 1.5, or {_NO_FILTER}"
        ) from None
    return value


def _a_mode(history: Session, prefix: str) -> Candidates:
    return [(name, "") for name in MODES if name.startswith(prefix)]
