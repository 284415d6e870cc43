"""spaCy's recognizer over whole batches."""

import random
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import pytest
import spacy

from graphagg.rag import SpacyExtractor
from graphagg.rag.models.encoding.recognizer import Recognizer, accelerate_embedding
from graphagg.rag.models.extractor import DEFAULT_EXTRACTOR, DROPPED_LABELS
from tests.unit.rag.models.test_models import TEXTS

WORDS = (
    "the of in and was born a by film city river company University Berlin Warsaw Marie Curie New "
    "York Bank Apple United States January 1903 two hundred $ % km last week January. ? ! \n , ( ) "
    "French Google Inc. Dr. O'Neill Vistula Second World War Monday morning x_1 Sông Đà 東京"
).split(" ")


def some_texts(count: int, seed: int) -> list[str]:
    """Words in any order, of no word to 120."""
    draw = random.Random(seed)
    lengths = [draw.choice((0, 1, 2, 5, 20, 120)) for _ in range(count)]
    return [" ".join(draw.choices(WORDS, k=length)) for length in lengths]


def entities(documents: Sequence[Any]) -> list[list[tuple[int, int, str]]]:
    return [[(e.start, e.end, e.label_) for e in document.ents] for document in documents]


@pytest.fixture(scope="module")
def pipeline() -> Any:
    nlp = spacy.load(DEFAULT_EXTRACTOR, exclude=["parser"])
    nlp.enable_pipe("senter")
    return nlp


def test_entities_are_those_of_spacy_step_by_step(pipeline: Any) -> None:
    ner, senter = pipeline.get_pipe("ner"), pipeline.get_pipe("senter")
    recognizer = Recognizer(ner)  # from here on, spaCy's steps run over layers in 8 bits, too
    texts = [*some_texts(150, seed=1), *TEXTS, *(" ".join(WORDS[i:]) for i in range(len(WORDS)))]
    ours, theirs = (
        list(senter.pipe([pipeline.make_doc(text) for text in texts])) for _ in range(2)
    )
    list(recognizer.pipe(ours))
    list(ner.pipe(theirs))
    assert entities(ours) == entities(theirs)
    assert sum(map(len, entities(ours))) > 500


def test_a_process_that_begins_empty_gets_the_recognizer(pipeline: Any) -> None:
    recognizer = Recognizer(pipeline.get_pipe("ner"))
    again = ForkingPickler.loads(ForkingPickler.dumps(recognizer))  # as `spawn` hands it over
    senter, texts = pipeline.get_pipe("senter"), some_texts(30, seed=5)
    ours, others = (
        list(each.pipe(senter.pipe([pipeline.make_doc(text) for text in texts])))
        for each in (recognizer, again)
    )
    assert entities(ours) == entities(others) and any(entities(ours))


def test_no_text_moves_the_entities_of_another() -> None:
    extractor, texts = SpacyExtractor(processes=1), some_texts(80, seed=2)
    together = list(extractor.annotate(texts))
    assert together == [note for text in texts for note in extractor.annotate([text])]
    assert together[::-1] == list(extractor.annotate(texts[::-1]))


def test_in_8_bits_few_entities_are_others_than_in_32(pipeline: Any) -> None:
    exact = spacy.load(DEFAULT_EXTRACTOR, exclude=["parser"])
    exact.enable_pipe("senter")
    texts = [text for text in some_texts(150, seed=3) if text]
    before, after = set(), set()
    for i, (document, note) in enumerate(
        zip(exact.pipe(texts), SpacyExtractor(processes=1).annotate(texts), strict=True)
    ):
        kept = (e for e in document.ents if e.label_ not in DROPPED_LABELS)
        before |= {(i, e.start_char, e.end_char) for e in kept}
        after |= {(i, *mention) for mention in note.mentions}
    assert len(before) > 500 and len(before ^ after) < 0.05 * len(before)


def test_each_word_is_embedded_as_spacy_embeds_it(pipeline: Any) -> None:
    senter = pipeline.get_pipe("senter")
    documents = [pipeline.make_doc(text) for text in some_texts(40, seed=4)]
    before = senter.predict(documents)
    accelerate_embedding(senter.model)
    for expected, vectors in zip(before, senter.predict(documents), strict=True):
        np.testing.assert_array_equal(expected, vectors)


def test_another_spacy_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphagg.rag.models.encoding.recognizer.Model", lambda *_: object())
    (plain,) = SpacyExtractor(processes=1).annotate(TEXTS[:1])
    nlp = spacy.load(DEFAULT_EXTRACTOR)
    kept = (e for e in nlp(TEXTS[0]).ents if e.label_ not in DROPPED_LABELS)
    assert plain.mentions == tuple((e.start_char, e.end_char) for e in kept)
