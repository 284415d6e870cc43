"""spaCy's recognizer of named entities, over the tokens of a batch at once and in 8 bits.

spaCy goes through a text token by token: an action begins an entity, goes on with it, ends it, is
one alone, or is outside. The scores of the actions outside of an entity depend on no action before,
so all tokens are scored at once. Then all sentences, which no entity leaves, go from entity to
entity side by side; the scores inside of one depend on where it began.

The layers multiply in 8 bits (`Int8Linear`), on every processor, and so exactly that the entities
of a text do not depend on the texts beside it. About one in 200 differs from those in float32.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, groupby, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.rag.models.encoding.forward import one_thread
from graphagg.rag.models.encoding.int8 import Int8Linear

if TYPE_CHECKING:
    from spacy.tokens import Doc

    Forward = Callable[[Any, Any, bool], tuple[Any, None]]

_TOKENS = 4096  # that are read at once, about
_EMBEDDING = ("extract_features", "list2ragged", "with_array", "with_array", "ragged2list")


class Recognizer:
    """The component `ner` of a pipeline, in a third of its CPU seconds.

    Args:
        ner: spaCy's greedy recognizer with three tokens per state, whose layers are replaced.
    """

    def __init__(self, ner: Any) -> None:
        self._ner = ner
        for layer in ner.model.walk():
            if layer.name == "maxout>>layernorm":
                layer._func = _maxout(*layer.layers)
        names = [ner.moves.get_class_name(i) for i in range(ner.moves.n_moves)]
        kinds, self._labels = zip(*((name[:1], name[2:]) for name in names), strict=True)
        move = {name: i for i, name in enumerate(names)}
        labels = [label or "?" for label in self._labels]  # "U-" blocks an entity that was given
        self._inside, self._last = (
            np.array([move.get(f"{kind}-{label}", 0) for label in labels]) for kind in "IL"
        )
        named = np.array([label != "?" for label in labels])
        self._begin, self._unit = (named & (np.array(kinds) == kind) for kind in "BU")
        self._never = ~(self._begin | self._unit | (np.array(kinds) == "O"))

    @staticmethod
    def reads(model: Any) -> bool:
        """Whether a model scores an action by three tokens, and knows all of its actions."""
        options, nearest = model.attrs, model.get_ref("lower")
        is_known = options["has_upper"] and not options["unseen_classes"]
        return bool(is_known and nearest.get_dim("nF") == 3)

    def pipe(self, documents: Iterable[Doc], *, batch_size: int = 64) -> Iterator[Doc]:
        """Set the entities of documents."""
        remaining = iter(documents)
        while batch := list(islice(remaining, batch_size)):
            tokens = accumulate(map(len, batch))
            by_place = groupby(zip(batch, tokens, strict=True), lambda pair: pair[1] // _TOKENS)
            with one_thread():
                for _, pairs in by_place:
                    self._read([document for document, _ in pairs if len(document)])
            yield from batch

    def _read(self, documents: Sequence[Doc]) -> None:
        """Set the entities of documents, none of which is empty."""
        from spacy.tokens import Span

        if not documents:
            return
        offsets = np.cumsum([0, *map(len, documents)])
        columns = [document.to_array(["SENT_START", "IS_SPACE"]) for document in documents]
        is_first, is_space = np.concatenate(columns).T == 1
        is_first[offsets[:-1]] = True
        starts, ends, moves = self._entities(self._ner.model.predict(documents), is_first, is_space)
        spans = defaultdict(list)
        rows = np.searchsorted(offsets, starts, side="right") - 1
        entities = (starts - offsets[rows], ends - offsets[rows], moves)
        for row, start, end, move in zip(
            rows.tolist(), *map(np.ndarray.tolist, entities), strict=True
        ):
            spans[row].append(Span(documents[row], start, end, label=self._labels[move]))
        for row, some in spans.items():
            documents[row].set_ents(some)

    def _entities(self, model: Any, is_first: Any, is_space: Any) -> tuple[Any, Any, Any]:
        """Find entities.

        Args:
            model: spaCy's model of the steps, primed with `[t]` tokens.
            is_first: `[t]`, the token begins a sentence.
            is_space: `[t]`, the token is white space.

        Returns:
            The first token, the end, and the first action of each entity, in no order.
        """

        def scores(
            *tokens: Any,
        ) -> Any:  # the next one, the first one of the entity, the one before
            ids = np.stack(np.broadcast_arrays(*tokens), axis=1).astype(np.int32)
            return model.vec2scores.predict(model.state2vec.predict(ids))

        is_last = np.append(is_first[1:], True)
        outside = scores(np.arange(len(is_first)), -1, -1)
        outside[:, self._never] = -np.inf
        outside[np.ix_(is_space | is_last, self._begin)] = -np.inf
        outside[np.ix_(is_space, self._unit)] = -np.inf
        action = outside.argmax(axis=1)
        heads = np.append(np.flatnonzero((self._begin | self._unit)[action]), len(action))
        sentence = np.append(np.cumsum(is_first), 0)

        def following(tokens: Any, sentences: Any) -> Any:
            """The first entity at or after a token, of those sentences that have one left."""
            nearest = heads[np.searchsorted(heads, tokens)]
            return nearest[sentence[nearest] == sentences]

        start = following(np.flatnonzero(is_first), np.arange(1, is_first.sum() + 1))
        end, entities = start + 1, [(start[:0],) * 3]
        while len(start):
            is_open = self._begin[action[start]]
            if is_open.any():
                first, token = start[is_open], end[is_open]
                inside = scores(token, first, token - 1)
                move, row = action[first], np.arange(len(first))
                goes_on = inside[row, self._inside[move]] >= inside[row, self._last[move]]
                end[is_open] += 1
                is_open[is_open] = goes_on & ~is_last[token]
            begun, ended = start[~is_open], end[~is_open]
            entities.append((begun, ended, action[begun]))
            after = following(ended, sentence[begun])
            start = np.append(start[is_open], after)
            end = np.append(end[is_open], after + 1)
        starts, ends, moves = map(np.concatenate, zip(*entities, strict=True))
        return starts, ends, moves


def _maxout(maxout: Any, norm: Any) -> Forward:
    """The largest of each few outputs of a linear layer, in 8 bits, and layer normalization."""
    import torch

    weight, bias, gain, shift = (
        torch.tensor(layer.get_param(name))
        for layer, name in zip((maxout, maxout, norm, norm), "WbGb", strict=True)
    )
    outputs, pieces = bias.shape
    product = Int8Linear(weight.transpose(0, 1).flatten(0, 1), bias.T.flatten())

    def forward(_: Any, x: Any, is_train: bool) -> tuple[Any, None]:
        largest = product(torch.from_numpy(x)).view(len(x), pieces, outputs).amax(1)
        return torch.layer_norm(largest, (outputs,), gain, shift, 1e-8).numpy(), None

    return forward


def embed_each_word_once(model: Any) -> None:
    """Let a model of spaCy embed equal words of a batch once, where it embeds words by hashes."""
    for layer in model.walk():
        if tuple(each.name.partition("(")[0] for each in layer.layers) == _EMBEDDING:
            layer._func = _each_word_once


def _each_word_once(model: Any, documents: Sequence[Doc], is_train: bool) -> tuple[Any, None]:
    """Embed the words of a batch, each once."""
    extract, _, *layers, _ = model.layers
    columns = extract.predict(documents)
    words = np.concatenate(columns)
    whole = words.view(f"V{words.itemsize * words.shape[1]}").ravel()
    _, rows, inverse = np.unique(whole, return_index=True, return_inverse=True)
    vectors = words[rows]
    for layer in layers:
        vectors = layer.predict(vectors)
    return np.split(vectors[inverse], np.cumsum([len(each) for each in columns])[:-1]), None
