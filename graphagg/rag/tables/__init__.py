"""Contents of a version of an index: segments, and tables that are merged over them.

    corpus       `Corpus`: all segments, read as one table of rows
      segment    what one change added, never altered: passages, vectors, sentences, names
    gazetteer    every entity and every place where one is mentioned, over all rows
    lexicon      every stem and the passages that hold it, over all rows
    view         gazetteer and lexicon as seen through a set of rows: which entities and mentions
                 count. That of all passages is stored, that of a filter is made when it is asked

A row is the number of a passage over all segments, deleted ones included.
"""
