"""Build, change and publish versions of a passage index.

    passage_files  checks the passages of a build and writes them to files as they arrive
    block          computes the arrays of a block of passages with the models
    engine         the stages that merge blocks into gazetteer, lexicon and view, for all builds
    arrays         the arrays of a build, and the FAISS indices of its vectors
    build          builds an index in this process, and publishes builds and changes
    change         adds, replaces and deletes passages, and joins segments

The tables of a version are in `graphagg.rag.tables`.
"""
