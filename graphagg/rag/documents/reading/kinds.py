"""Kinds of files that are read, by suffix, and the converter of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters import markup, tables
from graphagg.rag.documents.reading.converters.html import html
from graphagg.rag.documents.reading.converters.office import office
from graphagg.rag.documents.reading.converters.pdf import pdf
from graphagg.rag.documents.reading.converters.text import decode
from graphagg.rag.documents.reading.document import suffix_of

Converter = Callable[[bytes, int], Iterable[Content | Unread]]
"""Converts the content of a file to documents; the integer limits the bytes it may unpack to."""

CODE = frozenset(
    ".asm .awk .bash .bat .c .cc .cfg .clj .cljs .cmake .cmd .coffee .conf .cpp .cs .css .cu "
    ".cxx .d .dart .diff .el .erl .ex .exs .f .f90 .fs .glsl .go .gradle .graphql .groovy .h "
    ".hcl .hh .hpp .hrl .hs .hxx .idl .ini .java .jl .js .jsx .kt .kts .less .lisp .lua .m "
    ".mjs .mk .ml .mli .nim .nix .pas .patch .php .pl .pm .properties .proto .ps1 .pxd .py "
    ".pyi .pyx .r .rb .rkt .rs .sass .scala .scm .scss .sh .sql .swift .tcl .tf .toml .ts "
    ".tsx .v .vb .vhd .vim .vue .xml .xsd .xsl .yaml .yml .zig .zsh".split()
)
"""Suffixes of files that are read as text, with the whole file name as title."""
TEXT = frozenset(
    ".adoc .asc .asciidoc .bib .debian .log .man .me .nfo .org .pod .po .readme .srt .tex .texi "
    ".text .txt .vtt .wiki".split()
)


def _of_text(convert: Callable[[str], Content]) -> Converter:
    return lambda content, _: [convert(decode(content))]


def _of_rows(convert: Callable[[str], Iterable[Content | Unread]]) -> Converter:
    return lambda content, _: convert(decode(content))


def _of_bytes(convert: Callable[[bytes, int], Content]) -> Converter:
    return lambda content, most: [convert(content, most)]


_DOCUMENT_CONVERTERS = {
    ".txt .text": _of_text(markup.plain),
    ".md .markdown .mdown .mkd .mdx .qmd .rmd": _of_text(markup.markdown),
    ".rst .rest": _of_text(markup.restructured),
    ".html .htm .xhtml": _of_text(html),
    ".pdf": _of_bytes(pdf),
    ".doc .docm .docx .epub .odp .ods .odt .ppt .pptm .pptx .rtf .xls .xlsm .xlsx": _of_bytes(
        office
    ),
    ".ipynb": _of_text(markup.notebook),
}
_TABLE_CONVERTERS = {
    ".csv .tsv": _of_rows(tables.csv_rows),
    ".json": _of_rows(tables.json_document),
    ".jsonl .ndjson": _of_rows(tables.json_lines),
}


def _by_suffix(converters: dict[str, Converter]) -> dict[str, Converter]:
    return {suffix: each for names, each in converters.items() for suffix in names.split()}


DOCUMENTS = _by_suffix(_DOCUMENT_CONVERTERS)
"""Converters of documents by suffix; see also `CODE` and `TEXT`."""
CONVERTERS = DOCUMENTS | _by_suffix(_TABLE_CONVERTERS)
"""Converters of documents and of tables, by suffix."""
READ = (
    "txt, Markdown, reStructuredText, HTML, PDF, DOCX, ODT, EPUB, notebooks, CSV, JSON, "
    "JSON lines, source code, and text files without a suffix"
)
"""Kinds of files that can be read, for messages."""


def converter_of(name: str) -> Converter | None:
    """The converter of files with this name; None if they cannot be read."""
    suffix = suffix_of(name)
    if suffix in CONVERTERS:
        return CONVERTERS[suffix]
    if suffix in CODE:
        return _of_text(Content)
    is_text = not suffix or suffix in TEXT or PurePosixPath(name).stem.lower() == "readme"
    return _of_text(markup.plain) if is_text else None
