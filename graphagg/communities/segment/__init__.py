"""Edges added to a large index: rows merged at once, sketches when they are asked for or compacted.

A version with a segment holds, in place of `sizes`:

    pending.new        [v] int32 ascending, vertices that have no row in `signatures`
    pending.touched    [t] int32 ascending, the vertices whose set is not the one that was signed
    pending.starts     [t + 1] int64, where the elements that were added to each begin
    pending.added      int32, those elements; all of a new vertex's set

Its rows are those of a build of all edges. `signatures` and `lsh` are those of the index before.
"""
