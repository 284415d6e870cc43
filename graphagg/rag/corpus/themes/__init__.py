"""The map of a corpus: themes at several resolutions, without a language model."""
