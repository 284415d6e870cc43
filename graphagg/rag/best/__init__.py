"""The default mode: similarity, words, links and bridges in one formula."""
