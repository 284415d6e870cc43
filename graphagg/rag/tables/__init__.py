"""Contents of a version of an index: segments, and tables over all segments.

    corpus       `Corpus`: all segments, read as one table of rows
      segment    the immutable passages of one change: texts, vectors, sentences, names
    gazetteer    all entities and all their mentions, over all rows
    lexicon      all stems and the passages that contain them, over all rows
    view         gazetteer and lexicon restricted to a set of rows: which entities and mentions
                 count. The view of all passages is stored, views of filters are made on demand

A row is the number of a passage over all segments, including deleted passages.
"""
