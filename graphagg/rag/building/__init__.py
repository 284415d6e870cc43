"""Building an index out of any iterable, in memory that does not grow with it.

    passages   read, checked, split and written as they come (`passages`): the files of the segment
    blocks     annotated and encoded, 4,000 passages at a time; each block's arrays lie in a folder
               named by what they follow from, so that a killed build goes on (`blocks`, `block`)
    merging    what is sorted in each block is merged: names, words, ids (`merging`)
    names      every place of every name, by a table of all names (`names`)
    words      postings (`words`)
    build      the stages in their order, and the version that they make (`build`)

A corpus of one block keeps its arrays in memory and takes the same steps. What grows with the
corpus is in files that are mapped, but for 30 bytes a passage and 30 a name while names are merged.
"""
