"""Making, changing, publishing and opening a version of an index."""
