"""Read a BERT from the files of a sentence-transformers model, without that library.

Importing sentence-transformers takes longer than everything else before the first answer of a
search: it brings training, model cards and three libraries of statistics. A BERT with mean pooling
needs only weights and a tokenizer. The library reads the files of any other model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

_MODULES = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_WEIGHTS, _TOKENIZER = "model.safetensors", "tokenizer.json"


@dataclass(frozen=True)
class BertShape:
    """Hyperparameters of a BERT that its weights do not state.

    Attributes:
        layers, heads: their numbers.
        epsilon: added to variances in layer norms.
    """

    layers: int
    heads: int
    epsilon: float


@dataclass(frozen=True)
class BertFiles:
    """A model read from its files, with the attribute names of `SentenceTransformer`.

    Attributes:
        weights: by their names in BERT.
        shape: hyperparameters.
        tokenizer: neither truncates nor pads.
        device: the CPU.
        max_seq_length: tokens that the model reads at once.
        prompts, default_prompt_name: prefixes of texts.
    """

    weights: Mapping[str, torch.Tensor]
    shape: BertShape
    tokenizer: Tokenizer
    device: torch.device
    max_seq_length: int
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None

    def get_embedding_dimension(self) -> int:
        """Length d of a vector."""
        return int(self.weights["embeddings.word_embeddings.weight"].shape[1])

    @classmethod
    def read(cls, folder: Path) -> BertFiles | None:
        """Read a model's folder; None for another kind of model or any other folder."""
        settings = _plain_bert(folder)
        if settings is None:
            return None
        import torch
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        config, window, prompts = settings
        tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        shape = BertShape(
            config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"]
        )
        weights = {name: each.float() for name, each in load_file(folder / _WEIGHTS).items()}
        return cls(
            weights, shape, tokenizer, torch.device("cpu"), window,
            prompts.get("prompts", {}), prompts.get("default_prompt_name"),
        )  # fmt: skip


def _plain_bert(folder: Path) -> tuple[dict[str, Any], int, dict[str, Any]] | None:
    """Configuration, window and prompts of a folder that `BertFiles` can read."""
    try:
        modules = _json(folder / "modules.json")
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        if kinds not in _MODULES or modules[0]["path"] or not (folder / _TOKENIZER).is_file():
            return None
        config, taken = _json(folder / "config.json"), _json(folder / "sentence_bert_config.json")
        pooling = _json(folder / modules[1]["path"] / "config.json")
        prompts = _json(folder / "config_sentence_transformers.json")
        window = min(taken["max_seq_length"], config["max_position_embeddings"])
        is_plain = (
            config["model_type"] == "bert"
            and config["architectures"] == ["BertModel"]
            and config["hidden_act"] == "gelu"
            and config.get("position_embedding_type", "absolute") == "absolute"
            and not config.get("is_decoder", False)
            and not taken["do_lower_case"]
            and (folder / _WEIGHTS).is_file()
            and _is_mean(pooling)
        )
    except (OSError, ValueError, KeyError, TypeError):  # the library raises an error that says so
        return None
    return (config, window, prompts) if is_plain else None


def _is_mean(pooling: Mapping[str, Any]) -> bool:
    others = (
        value for name, value in pooling.items()
        if name.startswith("pooling_mode_") and name != "pooling_mode_mean_tokens"
    )  # fmt: skip
    includes = pooling.get("include_prompt", True)
    return pooling["pooling_mode_mean_tokens"] is True and not any(others) and includes


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
