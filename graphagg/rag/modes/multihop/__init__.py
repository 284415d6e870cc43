"""The mode `multihop`: similarity, words, links and bridges in one formula."""
