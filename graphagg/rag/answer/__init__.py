"""An answer in words from retrieved passages, by a language model, with checked citations."""

from graphagg.rag.answer.generate import Answer, Citation, answer

__all__ = ["Answer", "Citation", "answer"]
