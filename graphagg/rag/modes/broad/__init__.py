"""The modes `broad` and `auto`: passages from several themes of the corpus."""
