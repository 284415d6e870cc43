"""MinHash signatures of sets, and LSH tables of their bands, for graphs and texts."""
