"""Read a BERT from the files of a sentence-transformers model, without that library.

Importing sentence-transformers takes longer than everything else before the first answer. RoBERTa
and XLM-RoBERTa have the layers of BERT; their positions begin after the id of the padding. A text
gets the mean of its token vectors, or the vector of its first token (`[CLS]`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graphagg.errors import InvalidParameter
from graphagg.rag.models.encoding.layers import Weights

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

Pooling = Literal["mean", "cls"]
_MODULES = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_CLASSES = {"bert": "BertModel", "roberta": "RobertaModel", "xlm-roberta": "XLMRobertaModel"}
_TEXT = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
_WEIGHTS, _TOKENIZER = "model.safetensors", "tokenizer.json"
_WORDS = "embeddings.word_embeddings.weight"


@dataclass(frozen=True)
class BertShape:
    """Hyperparameters of a BERT that its weights do not state."""

    layers: int
    heads: int
    epsilon: float  # added to variances in layer norms
    first_position: int  # of the first token
    pooling: Pooling

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], pooling: object, class_name: str
    ) -> BertShape | None:
        """Read a configuration of transformers; None if the model is no plain BERT."""
        kind = config["model_type"]
        is_plain = (
            class_name == _CLASSES.get(kind)
            and config["hidden_act"] == "gelu"
            and config.get("position_embedding_type", "absolute") == "absolute"
            and not config.get("is_decoder", False)
            and pooling in ("mean", "cls")
        )
        if not is_plain:
            return None
        return cls(
            config["num_hidden_layers"],
            config["num_attention_heads"],
            config["layer_norm_eps"],
            0 if kind == "bert" else config["pad_token_id"] + 1,
            "cls" if pooling == "cls" else "mean",
        )


@dataclass(frozen=True)
class BertFiles:
    """A model read from its files, with the attribute names of `SentenceTransformer`."""

    weights: Weights
    shape: BertShape
    tokenizer: Tokenizer  # neither truncates nor pads
    max_seq_length: int  # in tokens
    prompts: Mapping[str, str | None] = field(default_factory=dict)
    default_prompt_name: str | None = None

    def get_embedding_dimension(self) -> int:
        """Length d of a vector."""
        return len(self.weights["embeddings.LayerNorm.bias"])

    @classmethod
    def read(cls, folder: Path) -> BertFiles | None:
        """Read a model's folder; None for another kind of model or any other folder."""
        settings = _plain_bert(folder)
        if settings is None:
            return None
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        shape, window, prompts = settings
        try:
            weights: Weights = load_file(folder / _WEIGHTS)
        except KeyError:  # bfloat16, which numpy lacks
            return None
        except SafetensorError as error:
            raise InvalidParameter(
                f"encoder {str(folder)!r}: {_WEIGHTS} is damaged ({error}); copy it again"
            ) from None
        tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        tokens, rows = tokenizer.get_vocab_size(), len(weights.get(_WORDS, ()))
        if tokens > rows:
            raise InvalidParameter(
                f"encoder {str(folder)!r}: {rows} token vectors, but its tokenizer has {tokens} "
                "tokens; give the tokenizer of this model"
            )
        tokenizer.no_truncation()
        tokenizer.no_padding()
        default = prompts.get("default_prompt_name")
        return cls(weights, shape, tokenizer, window, prompts.get("prompts", {}), default)


def pooling_of(model: SentenceTransformer) -> str | None:
    """Name the pooling of a transformer: `mean` includes the prompt; None for any other model."""
    names = [type(module).__name__ for module in model]
    if names not in _MODULES or "message" in getattr(model[0], "modality_config", {}):
        return None
    pooling: Any = model[1]
    mode = getattr(pooling, "pooling_mode", None)
    if not getattr(pooling, "include_prompt", True):
        return None
    return mode if isinstance(mode, str) else mode[0] if mode and len(mode) == 1 else None


def _plain_bert(folder: Path) -> tuple[BertShape, int, dict[str, Any]] | None:
    """Hyperparameters, window and prompts of a folder that `BertFiles` can read."""
    try:
        modules = _json(folder / "modules.json")
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        if kinds not in _MODULES or modules[0]["path"] or not (folder / _TOKENIZER).is_file():
            return None
        config, sentence = (
            _json(folder / f"{name}.json") for name in ("config", "sentence_bert_config")
        )
        prompts = _json(folder / "config_sentence_transformers.json")
        pooling = _pooling(_json(folder / modules[1]["path"] / "config.json"))
        (class_name,) = config["architectures"]
        shape = BertShape.from_config(config, pooling, class_name)
        if shape is None or not (folder / _WEIGHTS).is_file():
            return None
        if sentence.get("do_lower_case") or sentence.get("modality_config", _TEXT) != _TEXT:
            return None
        window = sentence.get("max_seq_length")
        if window is None:
            window = _json(folder / "tokenizer_config.json")["model_max_length"]
        positions = config["max_position_embeddings"] - shape.first_position
        return shape, min(window, positions), prompts
    except (OSError, ValueError, KeyError, TypeError):  # the library then explains the error
        return None


def _pooling(config: Mapping[str, Any]) -> str | None:
    """The only mode of a pooling that includes the prompt; None for any other pooling."""
    if not config.get("include_prompt", True):
        return None
    modes = {"mean_tokens": "mean", "cls_token": "cls"}
    chosen = [config["pooling_mode"]] if "pooling_mode" in config else [
        modes.get(name.removeprefix("pooling_mode_"))
        for name, is_on in config.items() if name.startswith("pooling_mode_") and is_on
    ]  # fmt: skip
    return chosen[0] if len(chosen) == 1 else None


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
