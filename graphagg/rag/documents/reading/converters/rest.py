"""Convert reStructuredText with docutils; file insertion and raw text are switched off.

A Sphinx role becomes its label; a directive becomes its argument and content, or a block of code.
Directives that generate (`automodule`), draw or fetch content are dropped. `:doc:`, `:ref:` and
toctrees become links.
"""

from __future__ import annotations

import re
from typing import Any

from graphagg.errors import needs
from graphagg.rag.documents.reading.content import Composer, Content
from graphagg.rag.documents.reading.converters.structure import read_html
from graphagg.rag.documents.reading.rules import section

_ROLE = re.compile(r":([a-zA-Z][\w+.:-]{0,60}):`")
_DIRECTIVE = re.compile(
    r"^[ \t]{0,40}\.\.[ \t]{1,9}(?:\|[^|\n]{1,60}\| )?([a-zA-Z][\w+.:-]{0,60})::", re.M
)
_LABELLED = re.compile(r"([^<]{0,500}?)\s{0,9}<([^<>]{1,300})>\Z", re.S)
_LINKS = {"doc": "doc:", "ref": "ref:", "numref": "ref:", "any": "ref:", "download": ""}
_CODE, _DROPPED = (frozenset(section("markups", "rst")[key].split()) for key in ("code", "dropped"))
_SETTINGS = {
    "file_insertion_enabled": False, "raw_enabled": False, "report_level": 5, "halt_level": 6,
    "_disable_config": True, "doctitle_xform": False, "initial_header_level": 1,
    "syntax_highlight": "none", "embed_stylesheet": False, "smart_quotes": False,
    "line_length_limit": 2**30, "input_encoding": "unicode", "toc_backlinks": False,
    "footnote_backlinks": False, "section_self_link": False, "table_style": "",
    "cloak_email_addresses": False, "math_output": "LaTeX",
}  # fmt: skip


def restructured(text: str) -> Content:
    """Convert a text in reStructuredText."""
    with needs("docutils", "documents"):
        from docutils.core import publish_parts
    _teach(text)
    page = publish_parts(text, writer="html5", settings_overrides=_SETTINGS)
    composer = Composer()
    read_html(page["body"], composer)
    return composer.content()


def _teach(text: str) -> None:
    """Register the roles and directives of a text that are unknown to docutils."""
    from docutils.parsers.rst import directives, roles

    for name in {match[1] for match in _ROLE.finditer(text)}:
        if name.lower() not in roles._role_registry:  # type: ignore[attr-defined]  # is known
            roles.register_local_role(name.lower(), _role)
    displayed, dropped = _directives()
    for name in {match[1].lower() for match in _DIRECTIVE.finditer(text)}:
        is_dropped = name in _DROPPED or (name.startswith("auto") and ":" in name)
        if is_dropped or name in _CODE or name not in directives._directive_registry:  # type: ignore[attr-defined]
            directives.register_directive(name, dropped if is_dropped else displayed)


def _role(
    name: str, rawtext: str, text: str, line: int, inliner: Any, *_: Any, **__: Any
) -> tuple[list[Any], list[Any]]:
    """Show the label of a role; documents and labels are links."""
    from docutils import nodes, utils

    text = utils.unescape(text)
    match = _LABELLED.match(text)
    label, target = (match[1] or match[2], match[2]) if match else (text, text)
    kind = name.rpartition(":")[2]
    label = label.lstrip("~!")
    if text.startswith("~") and not match:
        label = label.rpartition(".")[2]
    if kind not in _LINKS:
        return [nodes.Text(label)], []
    address = nodes.make_id(target) if _LINKS[kind] == "ref:" else target
    label = label.replace("-", " ").replace("_", " ") if not match and kind != "doc" else label
    return [nodes.reference(rawtext, label, refuri=_LINKS[kind] + address)], []


def _directives() -> tuple[type, type]:
    """Return the class of directives whose content is shown, and that of dropped ones."""
    from docutils.parsers.rst import Directive, directives

    class AnyOption(dict[str, Any]):
        def __bool__(self) -> bool:
            return True

        def __missing__(self, name: str) -> Any:
            return directives.unchanged

    class Dropped(Directive):
        has_content, optional_arguments, final_argument_whitespace = True, 1, True
        option_spec = AnyOption()

        def run(self) -> list[Any]:
            return []

    class Shown(Dropped):
        run = _show

    return Shown, Dropped


def _show(directive: Any) -> list[Any]:
    """Show a directive: its code, its links, or its argument and content."""
    from docutils import nodes

    name, argument = directive.name.lower(), " ".join(directive.arguments)
    if name in _CODE or name.endswith("-code"):
        code = "\n".join(directive.content)
        return [nodes.literal_block(code, code)] if code.strip() else []
    if name == "toctree":
        return [_entries(directive.content)]
    container = nodes.container()
    if argument:
        is_text = "`" in argument  # else it may be a signature, whose stars are not markup
        words = directive.state.inline_text(argument, directive.lineno)[0] if is_text else ()
        container += nodes.paragraph(argument, "" if words else argument, *words)
    directive.state.nested_parse(directive.content, directive.content_offset, container)
    return [container]


def _entries(lines: Any) -> Any:
    """Return links to the entries of a table of contents; they may have no label."""
    from docutils import nodes

    paragraph = nodes.paragraph()
    for line in lines:
        match = _LABELLED.match(line.strip())
        target = match[2] if match else line.strip()
        if target and ":" not in target:
            paragraph += nodes.reference("", match[1] if match else "", refuri=f"doc:{target}")
            paragraph += nodes.Text(" ")
    return paragraph
