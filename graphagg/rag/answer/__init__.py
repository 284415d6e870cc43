"""An answer in words from retrieved passages, by a language model, with checked citations."""

from graphagg.rag.answer.generate import Answer, Citation, answer
from graphagg.rag.models.endpoint import Endpoint

__all__ = ["Answer", "Citation", "Endpoint", "answer"]
