"""Versions of a passage index: built, changed and published.

    passage_files  passages of a build, checked and written as they come
    block          arrays of a block of passages, by the models
    engine         the stages that merge blocks into gazetteer, lexicon and view, for all builds
    arrays         the arrays of a build, and the FAISS files that it makes of vectors
    build          a build in this process; the recipe in the manifest, and its publication
    change         passages added, replaced and deleted, segments joined

The tables of a version are in `graphagg.rag.tables`.
"""
