"""Edges added to a large index: rows merged at once, sketches when they are asked for or compacted.

A version with a segment holds, in place of `sizes`:

    pending.rows       [n] int32, the row of `signatures` and `lsh` of each vertex; -1: it has none
    pending.touched    [t] int32 ascending, the vertices whose set is not the one that was signed

Its rows are those of a build of all edges. `signatures` and `lsh` are those of the index before.
"""
