"""An opened version of an index: its corpus, its tables, and search in them."""
