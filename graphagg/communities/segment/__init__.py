"""Edges added to a large index: rows merged when they are read, sketches when they are asked for.

A version with a segment holds, in place of `sizes`:

    pending.new        [v] int32 ascending, vertices that have no row in `signatures`
    pending.touched    [t] int32 ascending, the vertices whose set is not the one that was signed
    pending.starts     [t + 1] int64, where the elements that were added to each begin
    pending.added      int32, those elements; all of a new vertex's set

`signatures` and `lsh` are those of the index before. Where no vertex and no element is new, so are
`sets.indices` and `holders.indices`, and in place of `sets.indptr` and `holders.indptr` lie

    NAME.grown         [n + 1] int64, the offsets of now
    NAME.added.*       what was added to the rows, see `graph.added.Added`

Else numbers have changed, and the rows are written anew, those of a build of all edges.
"""
