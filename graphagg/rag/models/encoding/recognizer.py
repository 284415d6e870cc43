"""spaCy's named entity recognizer, batched over all tokens and computed in 8 bits.

Outside an entity the scores do not depend on earlier actions, so we score all tokens at once.
Inside an entity they depend on where it began, so all sentences advance from entity to entity in
parallel; no entity crosses a sentence end. About one entity in 200 differs from float32.

This is the only file that uses private names of spaCy and thinc (`nlp._components`, `layer._func`).
If one of them is missing, `accelerated` returns the pipeline unchanged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from spacy.pipeline import EntityRecognizer
from spacy.tokens import Span
from thinc.api import Model, NumpyOps

from graphagg.rag.models.encoding.forward import one_thread
from graphagg.rag.models.encoding.int8 import Int8Linear, Int8Weights
from graphagg.rag.models.encoding.layers import normalize

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

_EMBEDDING = ("extract_features", "list2ragged", "with_array", "with_array", "ragged2list")


class Recognizer:
    """spaCy's greedy recognizer for three tokens per state, in a third of the CPU time."""

    def __init__(self, ner: Any) -> None:
        self._ner = ner
        for layer in ner.model.walk():
            if layer.name == "maxout>>layernorm":
                linear, norm = layer.layers
                weights = [linear.get_param(name) for name in "Wb"]
                layer._func = _Maxout(*weights, *(norm.get_param(name) for name in "Gb"))
        names = [ner.moves.get_class_name(move) for move in range(ner.moves.n_moves)]
        self._labels = [name[2:] for name in names]
        kinds = np.array([name[0] if name != "U-" else "" for name in names])  # "": no label
        self._begin, self._unit, self._outside = (kinds == kind for kind in "BUO")
        move = {name: i for i, name in enumerate(names)}
        self._inside, self._last = (
            np.array([move.get(f"{kind}-{label}", 0) for label in self._labels]) for kind in "IL"
        )

    def pipe(self, documents: Iterable[Doc], *, batch_size: int = 64) -> Iterator[Doc]:
        """Set the entities of documents."""
        remaining = iter(documents)
        while batch := list(islice(remaining, batch_size)):
            with one_thread():
                self._read([document for document in batch if len(document)])
            yield from batch

    def _read(self, documents: Sequence[Doc]) -> None:
        if not documents:
            return
        offsets = np.cumsum([0, *map(len, documents)])
        columns = [document.to_array(["SENT_START", "IS_SPACE"]) for document in documents]
        is_first, is_space = np.concatenate(columns).T == 1
        is_first[offsets[:-1]] = True
        entities, spans = self._entities(documents, is_first, is_space), defaultdict(list)
        rows = np.searchsorted(offsets, entities[0], side="right") - 1
        entities[:2] -= offsets[rows]
        for row, start, end, move in zip(rows.tolist(), *entities.tolist(), strict=True):
            spans[row].append(Span(documents[row], start, end, label=self._labels[move]))
        for row, some in spans.items():
            documents[row].set_ents(some)

    def _entities(self, documents: Sequence[Doc], is_first: Any, is_space: Any) -> Any:
        """Return first token, end and first action of each entity, `[3, e]`; masks are `[t]`."""
        model = self._ner.model.predict(documents)

        def scores(*tokens: Any) -> Any:
            """Score actions; tokens: the next, the entity's first, and the previous one."""
            ids = np.stack(np.broadcast_arrays(*tokens), axis=1).astype(np.int32)
            return model.vec2scores.predict(model.state2vec.predict(ids))

        is_last = np.append(is_first[1:], True)
        outside = scores(np.arange(len(is_first)), -1, -1)
        outside[:, ~(self._begin | self._unit | self._outside)] = -np.inf
        outside[np.ix_(is_space | is_last, self._begin)] = -np.inf
        outside[np.ix_(is_space, self._unit)] = -np.inf
        action = outside.argmax(axis=1)
        heads = np.append(np.flatnonzero(~self._outside[action]), len(action))
        sentence = np.append(np.cumsum(is_first), 0)

        def following(tokens: Any, sentences: Any) -> Any:
            """Find the first entity at or after each token, in sentences that have one."""
            nearest = heads[np.searchsorted(heads, tokens)]
            return nearest[sentence[nearest] == sentences]

        begins = np.flatnonzero(is_first)
        start = following(begins, sentence[begins])
        end, entities = start + 1, [np.empty((3, 0), np.int64)]
        while len(start):
            is_open = self._begin[action[start]]
            if is_open.any():
                first, token = start[is_open], end[is_open]
                inside, move, row = (
                    scores(token, first, token - 1),
                    action[first],
                    range(len(first)),
                )
                goes_on = inside[row, self._inside[move]] >= inside[row, self._last[move]]
                end[is_open] += 1
                is_open[is_open] = goes_on & ~is_last[token]
            begun, ended = start[~is_open], end[~is_open]
            entities.append(np.stack([begun, ended, action[begun]]))
            after = following(ended, sentence[begun])
            start, end = np.append(start[is_open], after), np.append(end[is_open], after + 1)
        return np.concatenate(entities, axis=1)


class _Maxout:
    """Maxout of a linear layer in 8 bits, followed by layer normalization."""

    def __init__(self, weight: Any, bias: Any, gain: Any, shift: Any) -> None:
        self._weights = weight, bias, gain, shift
        self._norm, self._shape = (gain, shift), bias.T.shape
        columns = weight.transpose(2, 1, 0).reshape(weight.shape[2], -1)
        self._product = Int8Linear(Int8Weights.of(columns), bias.T.ravel())

    def __reduce__(self) -> tuple[Any, ...]:
        return _Maxout, self._weights

    def __call__(self, _: Any, x: Any, is_train: bool) -> tuple[Any, None]:
        largest = self._product(x).reshape(len(x), *self._shape).max(axis=1)
        normalize(largest, np.zeros_like(largest), *self._norm, 1e-8)
        return largest, None


def accelerated(nlp: Language) -> Language:
    """Replace CPU components of a pipeline with faster ones; see the module docstring."""
    if hasattr(nlp, "_components") and hasattr(Model("probe", lambda *_: None), "_func"):
        nlp._components = [(name, _accelerated(component)) for name, component in nlp.pipeline]
    return nlp


def _accelerated(component: Any) -> Any:
    """Return a faster component; a `Recognizer` if `component` is a greedy one of known shape."""
    model = getattr(component, "model", None)
    if not isinstance(getattr(model, "ops", None), NumpyOps):
        return component
    accelerate_embedding(model)
    if type(component) is not EntityRecognizer or component.cfg["beam_width"] != 1:
        return component
    options, lower = component.model.attrs, component.model.get_ref("lower")
    is_known = options["has_upper"] and not options["unseen_classes"] and lower.get_dim("nF") == 3
    return Recognizer(component) if is_known else component


def accelerate_embedding(model: Any) -> None:
    """Make a model embed equal words of a batch once, and multiply with numpy's BLAS.

    The BLIS library in spaCy has no code for newer processors.
    """
    products = NumpyOps(use_blis=False)
    for layer in model.walk():
        if type(layer.ops) is NumpyOps:
            layer.ops = products
        if tuple(each.name.partition("(")[0] for each in layer.layers) == _EMBEDDING:
            layer._func = _embedded


def _embedded(model: Any, documents: Sequence[Doc], is_train: bool) -> tuple[Any, None]:
    extract, _, *layers, _ = model.layers
    columns = extract.predict(documents)
    words = np.concatenate(columns)
    keys = words.view(f"V{words.itemsize * words.shape[1]}").ravel()
    _, rows, inverse = np.unique(keys, return_index=True, return_inverse=True)
    vectors = words[rows]
    for layer in layers:
        vectors = layer.predict(vectors)
    return np.split(vectors[inverse], np.cumsum([len(each) for each in columns])[:-1]), None
