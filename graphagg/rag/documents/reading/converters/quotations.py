"""Find quotations in the body of a mail; the rest is what its author wrote or forwarded.

Quotations stay in the text, without marks such as `>`; `graphagg.rag.documents.reading.threads`
leaves out those of mails that were read too. A quotation begins at a line with more marks, at
`-----Original Message-----` in any language, or at mail headers. Forwarded text does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from graphagg.rag.documents.reading.content import Composer, Quotation
from graphagg.rag.documents.reading.converters.structure import read_html
from graphagg.rag.documents.reading.rules import pattern_of

_BEGIN, _END = "\ue002", "\ue003"  # of a <blockquote>
_HTML_QUOTED = re.compile(r"<(/?)blockquote\b[^<>]{0,1000}>", re.I)
_QUOTED = re.compile(r"(?:[ \t]{0,4}>){1,99} ?")
_INTRODUCES = pattern_of("languages", "mail", "introduces")
_DIVIDES = pattern_of("languages", "mail", "divides")
_HEADER = re.compile(r"\s{0,4}\*?(?=[^\W\d_])[\w ./-]{1,24}\*?\s?:\*?(?:\s.*)?")
_SENDER = pattern_of("languages", "mail", "sender")
_FORWARDS = pattern_of("languages", "mail", "forwards")
_FORWARD_SUBJECT = pattern_of("languages", "mail", "forward_subject")


@dataclass
class _QuotedRun:
    """Lines of one quotation level; `lead` has the lines with author and date before them."""

    quoted: bool
    level: int
    lead: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def read_body(
    text: str, is_html: bool, subject: str, composer: Composer
) -> tuple[Composer, tuple[Quotation, ...]]:
    """Add the body of a mail to an empty composer; return the composer with the text."""
    if is_html:
        marked = _HTML_QUOTED.sub(
            lambda tag: f"<p>{_END}</p>{tag[0]}" if tag[1] else f"{tag[0]}<p>{_BEGIN}</p>", text
        )
        read_html(marked, composer)
        text = composer.content("-").text
        lines = list(_levels(text))
    else:
        lines = list(_marked(text.replace("\r\n", "\n")))
    runs = _runs(lines, bool(_FORWARD_SUBJECT.match(subject)))
    if is_html and _BEGIN not in text and not any(run.quoted for run in runs):
        return composer, ()  # with its headings and links
    composer, quotations = Composer(), []
    for run in runs:
        text, body = "\n".join((*run.lead, *run.lines)), "\n".join(run.lines).strip("\n")
        if text.strip():
            start = composer.block(text)
            if run.quoted:
                quotations.append(Quotation(start, composer.length - len(body), composer.length))
    return composer, tuple(quotations)


def _marked(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a plain text, each with the number of marks before it."""
    for line in text.split("\n"):
        match = _QUOTED.match(line)
        yield (match[0].count(">"), line[match.end() :]) if match else (0, line)


def _levels(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page, each with the number of quotations around it."""
    level = 0
    for part in re.split(f"([{_BEGIN}{_END}])", text):
        if part in (_BEGIN, _END):
            level = level + 1 if part == _BEGIN else max(0, level - 1)
        else:
            yield from ((level, line) for line in part.split("\n"))


def _runs(lines: Sequence[tuple[int, str]], is_forward: bool) -> list[_QuotedRun]:
    """Split lines into the author's text and quotations.

    Text of at most the level `own` is the author's. A dividing line changes `own` until a line with
    a level below `floor` follows.
    """
    own = floor = 0
    runs = [_QuotedRun(False, 0)]
    for position, (level, line) in enumerate(lines):
        run = runs[-1]
        if not line.strip():
            run.lines += [""] * (bool(run.lines) or len(run.lead) != 1)
            continue
        if level < floor:
            own = floor = 0
        if _divides(lines, position) and not (run.lead and not any(run.lines)):
            if level <= own:
                forwards = is_forward or _FORWARDS.search(line)
                floor, own = level, level + line.rstrip().endswith(":") if forwards else level - 1
            runs.append(_QuotedRun(level > own, level, [line]))
        elif run.lead and not run.lines and level == run.level and _HEADER.fullmatch(line):
            run.lead.append(line)
        elif (level, level > own) == (run.level, run.quoted):
            run.lines.append(line)
        else:
            lead = _introduction(run) if level > max(own, run.level) else []
            runs.append(_QuotedRun(level > own, level, lead, [line]))
    return runs


def _divides(lines: Sequence[tuple[int, str]], position: int) -> bool:
    """Return whether another mail begins here: a divider before a header, or three headers."""
    line = lines[position][1]
    least = 1 if _DIVIDES.fullmatch(line) else 2 if _SENDER.fullmatch(line) else 0
    following = (each for _, each in lines[position + 1 : position + 5] if each.strip())
    return least > 0 and sum(1 for _ in takewhile(_HEADER.fullmatch, following)) >= least


def _introduction(run: _QuotedRun) -> list[str]:
    """Take the last line or two off a run if they introduce a quotation."""
    while run.lines and not run.lines[-1].strip():
        run.lines.pop()
    for count in (1, 2):
        last = run.lines[-count:]
        if len(last) == count and _INTRODUCES.fullmatch(" ".join(last).strip()):
            del run.lines[-count:]
            return last
    return []
