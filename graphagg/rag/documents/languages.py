"""Languages by code, and recognition of the language of a text.

py3langid (naive Bayes over byte n-grams, 139 languages, 4.6 MB, numpy only) recognizes all of 480
German and Spanish paragraphs, all but 6 of 2,365 questions, and 98.7 % (one-sentence facts) to 100
% (chats) of English passages.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

from graphagg.checks import one_of
from graphagg.errors import InvalidParameter, needs

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

AUTO = "auto"
"""Used instead of a code: the language of each passage is recognized."""
OTHER = ""
"""A language without stems and stop words."""
LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "ko": "korean", "lt": "lithuanian", "nb": "norwegian",
    "ne": "nepali", "nl": "dutch", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
    "zh": "chinese",
}  # fmt: skip
"""Languages with stems or stop words: by code, their names in the stemmer library."""
CODES = (OTHER, *LANGUAGES)
"""Codes in the order of their numbers in an index."""
# Languages that are recognized only so that their texts are not mistaken for one of the above.
_OTHERS = (
    "af az be bg bn bs cs cy eo fa gl gu he hr is ja ka kk km kn lo lv mk ml mn mr ms my pa pl si "
    "sk sl sq sw te th tl uk ur uz vi"
).split()
_MODEL_CODES = {"no": "nb"}  # codes of the model that differ from ours
_READ = 1_000  # leading characters of a text that are used; more do not change the result


def check_language(language: str | None) -> str | None:
    """Check a code, `auto` or None; raises `InvalidParameter` with the codes."""
    if language is None:
        return None
    try:
        return one_of("language", language, (AUTO, *LANGUAGES))
    except InvalidParameter as error:
        raise InvalidParameter(
            f"{error}; use the extractor rule:CODE for other languages, which have no stems"
        ) from None


def language_of_text(text: str) -> str:
    """Recognize the language of a text: a code of `LANGUAGES`, or `OTHER`."""
    code = code_of_text(text)
    return code if code in LANGUAGES else OTHER


def code_of_text(text: str) -> str:
    """Recognize the language of a text: its code, supported or not; raises `MissingExtra`."""
    code, _ = _identifier().classify(text[:_READ])
    return _MODEL_CODES.get(str(code), str(code))


def likeliest(text: str, codes: Collection[str]) -> str:
    """Choose the likeliest language of a text among at least one code."""
    if len(codes) == 1:
        return next(iter(codes))
    model_codes = (str(code) for code, _ in _identifier().rank(text[:_READ]))
    ranked = (_MODEL_CODES.get(code, code) for code in model_codes)
    supported = (code if code in LANGUAGES else OTHER for code in ranked)
    return next(code for code in (*supported, *sorted(codes)) if code in codes)


@cache
def _identifier() -> LanguageIdentifier:
    with needs("py3langid", "rag"):
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    model_codes = {code: model_code for model_code, code in _MODEL_CODES.items()}
    codes = {model_codes.get(code, code) for code in (*LANGUAGES, *_OTHERS)}
    identifier.set_languages(sorted(codes.intersection(identifier.labels)))
    return identifier
