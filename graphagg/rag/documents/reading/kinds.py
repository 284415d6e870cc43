"""Which files are read, and by which converter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters import markup, office, tables
from graphagg.rag.documents.reading.converters.html import html
from graphagg.rag.documents.reading.converters.notebook import notebook
from graphagg.rag.documents.reading.converters.pdf import pdf
from graphagg.rag.documents.reading.converters.text import decode

Converter = Callable[[bytes, int], Iterable[Content | Unread]]
"""From the content of a file and the most bytes that it may unpack to, to its documents."""

CODE = frozenset(
    ".asm .awk .bash .bat .c .cc .cfg .clj .cljs .cmake .cmd .coffee .conf .cpp .cs .css .cu "
    ".cxx .d .dart .diff .el .erl .ex .exs .f .f90 .fs .glsl .go .gradle .graphql .groovy .h "
    ".hcl .hh .hpp .hrl .hs .hxx .idl .ini .java .jl .js .jsx .kt .kts .less .lisp .lua .m "
    ".mjs .mk .ml .mli .nim .nix .pas .patch .php .pl .pm .properties .proto .ps1 .pxd .py "
    ".pyi .pyx .r .rb .rkt .rs .sass .scala .scm .scss .sh .sql .swift .tcl .tf .toml .ts "
    ".tsx .v .vb .vhd .vim .vue .xml .xsd .xsl .yaml .yml .zig .zsh".split()
)
"""Suffixes of files that are read as text, with the whole name as title."""
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


_READERS: dict[str, Converter] = {
    ".txt .text": _of_text(markup.plain),
    ".md .markdown .mdown .mkd .mdx .qmd .rmd": _of_text(markup.markdown),
    ".rst .rest": _of_text(markup.restructured),
    ".html .htm .xhtml": _of_text(html),
    ".pdf": _of_bytes(pdf),
    ".docx": _of_bytes(office.docx),
    ".odt": _of_bytes(office.odt),
    ".epub": _of_bytes(office.epub),
    ".ipynb": _of_text(notebook),
}
_ROWS: dict[str, Converter] = {
    ".csv .tsv": _of_rows(tables.csv_rows),
    ".json": _of_rows(tables.json_document),
    ".jsonl .ndjson": _of_rows(tables.json_lines),
}


def _by_suffix(readers: dict[str, Converter]) -> dict[str, Converter]:
    return {suffix: reader for names, reader in readers.items() for suffix in names.split()}


DOCUMENTS = _by_suffix(_READERS)
"""Converters of documents by suffix; see also `CODE` and `TEXT`."""
CONVERTERS = DOCUMENTS | _by_suffix(_ROWS)
"""Those, and the converters of tables."""
READ = (
    "txt, Markdown, reStructuredText, HTML, PDF, DOCX, ODT, EPUB, notebooks, CSV, JSON, "
    "JSON lines, source code, and text files without a suffix"
)
"""What is read, for messages."""


def suffix_of(name: str) -> str:
    """The suffix of a file in lower case; "" if it has none, or one such as that of `NEWS.2`."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix[1:2].isalpha() else ""


def converter_of(name: str) -> Converter | None:
    """What reads a file of this name; None if nothing does."""
    suffix = suffix_of(name)
    if suffix in CONVERTERS:
        return CONVERTERS[suffix]
    if suffix in CODE:
        return _of_text(Content)
    known = not suffix or suffix in TEXT or PurePosixPath(name).stem.lower() == "readme"
    return _of_text(markup.plain) if known else None
