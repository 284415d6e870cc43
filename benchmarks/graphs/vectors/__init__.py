"""Quality of embeddings: link prediction and node classification, compared with controls."""
