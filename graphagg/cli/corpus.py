"""Options for reading passages: the source, columns of tables, and files in a folder."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from graphagg.cli.options import panel
from graphagg.rag.documents.reading.settings import ReadConfig
from graphagg.rag.documents.rows import RowConfig

PassageSource = Annotated[
    str,
    Parameter(
        help="Folder of documents, or a JSONL (.gz) or Parquet file; can be an address such as "
        "s3://bucket/docs."
    ),
]
RowColumns = Annotated[RowConfig, panel("Reading rows of CSV, JSON and Parquet")]
Reading = Annotated[ReadConfig, panel("Reading folders")]
