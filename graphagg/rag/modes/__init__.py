"""The retrieval modes: one class each behind `Retriever`, found by its name."""
