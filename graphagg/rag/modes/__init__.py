"""The retrieval modes: one `Retriever` class per mode, looked up by name."""
