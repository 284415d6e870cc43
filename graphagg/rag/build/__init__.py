"""One version of an index: how it is built, changed, opened and seen.

From the outside in:

    index      `PassageIndex`: a directory whose manifest names the current version
    version    the files of one state; a change writes the next one and publishes it (`publish`)
    snapshot   `Snapshot`: an opened version, with its corpus, merged tables and id order
    selection  `Selection`: what a caller may see, by filter and ids
    scope      `Scope`: the view that a selection gives, and which of its rows may be hits

`build` makes a segment of new passages, `publish` merges segments into a version, and `loading`
opens a version and its models. What a version holds is in `graphagg.rag.tables`.
"""
