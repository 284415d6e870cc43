"""The mode `multihop`: one formula for similarity, words, links and bridges."""
