"""Contents of a version of an index: segments, and tables that are merged over them.

    corpus       `Corpus`: all segments, read as one table of rows
      segment    the passages of one change, never altered: texts, vectors, sentences, names
    gazetteer    every entity and every place where one is mentioned, over all rows
    lexicon      every stem and the passages that contain it, over all rows
    view         gazetteer and lexicon as seen through a set of rows: which entities and mentions
                 count. The view of all passages is stored, those of filters are made on demand

A row is the number of a passage over all segments, deleted ones included.
"""
