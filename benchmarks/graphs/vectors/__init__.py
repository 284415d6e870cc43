"""Quality of embeddings: link prediction and node classification, beside controls."""
