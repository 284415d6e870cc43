"""Languages by code, and which one a text is written in.

Texts are recognized by py3langid: naive Bayes over byte n-grams, 139 languages, BSD, 4.6 MB, and no
package but numpy. It was chosen over lingua (96 MB) and over counting stop words: all of 480 German
and Spanish paragraphs and all but 6 of 2,365 questions are recognized, and 98.7 % (one-sentence
facts) to 100 % (chats) of English passages. What it says depends on the text alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING

from graphagg.checks import one_of
from graphagg.errors import InvalidParameter, MissingExtra

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

    from graphagg.rag.documents.passages import Passage

AUTO = "auto"
"""In place of a code: the language of each passage is recognized."""
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
"""The languages with stems or stop words, and their names in the libraries that bring these."""
CODES = (OTHER, *LANGUAGES)
"""In the order of their numbers in an index."""
# Languages that are recognized so that their texts are not taken for one of the above.
_OTHERS = (
    "af az be bg bn bs cs cy eo fa gl gu he hr is ja ka kk km kn lo lv mk ml mn mr ms my pa pl si "
    "sk sl sq sw te th tl uk ur uz vi"
).split()
_MODEL_CODES = {"no": "nb"}  # where the model has another code
_READ = 1_000  # characters of a text that are read: more change nothing
_SAMPLE = 200  # passages that tell the language of a corpus
_FEWEST = 5  # of which a language is told


def check_language(language: str | None) -> str | None:
    """Check a code, `auto` or None; raises `InvalidParameter` with the codes."""
    if language is None:
        return None
    try:
        return one_of("language", language, (AUTO, *LANGUAGES))
    except InvalidParameter as error:
        raise InvalidParameter(
            f"{error}; another language is indexed by its words as they stand, with the names that "
            "the extractor blank:CODE finds"
        ) from None


def language_of_text(text: str) -> str:
    """The code of the language that a text is written in; `OTHER` where it is none of `LANGUAGES`.

    Raises:
        MissingExtra: py3langid is not installed.
    """
    code, _ = _identifier().classify(text[:_READ])
    return _known(code)


def language_of_corpus(corpus: Sequence[Passage]) -> str | None:
    """The language to index a corpus by where none is given, told by 200 of its passages.

    Of every kind of English corpus that was tried, code and manual pages among them, 98.5 % of the
    passages or more are taken for English; so a tenth in another language is no error of the model.

    Returns:
        A code where nine of ten texts are in one language; `auto` where two languages at least have
        a tenth each; None for English, for languages without stems, and for fewer than 5 passages.

    Raises:
        MissingExtra: py3langid is not installed.
    """
    places = range(0, len(corpus), max(1, len(corpus) // _SAMPLE))
    some = [corpus[place].full_text for place in places]
    if len(some) < _FEWEST:
        return None
    seen = Counter(language_of_text(text) for text in some)
    ((most, count),) = seen.most_common(1)
    if count >= 0.9 * len(some):
        return None if most in ("en", OTHER) else most
    several = [code for code, count in seen.items() if count >= 0.1 * len(some)]
    return AUTO if len(several) > 1 else None


def likeliest(text: str, codes: Collection[str]) -> str:
    """Which of some codes a text is most likely written in; one of them at least is given."""
    if len(codes) == 1:
        return next(iter(codes))
    ranked = (_known(code) for code, _ in _identifier().rank(text[:_READ]))
    return next(code for code in (*ranked, *sorted(codes)) if code in codes)


def _known(code: str) -> str:
    code = _MODEL_CODES.get(code, code)
    return code if code in LANGUAGES else OTHER


@cache
def _identifier() -> LanguageIdentifier:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise MissingExtra("py3langid", "rag") from None
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    theirs = {ours: code for code, ours in _MODEL_CODES.items()}
    wanted = {theirs.get(code, code) for code in (*LANGUAGES, *_OTHERS)}
    identifier.set_languages(sorted(wanted.intersection(identifier.labels)))
    return identifier
