"""The execution layer: one text of a build runs in memory, over files and on Spark.

    arrays         named arrays in memory or in files; tasks write ranges of them, or blocks that
                   are joined
    blocks         small arrays that belong to one block: a task, or a piece of the input
    runner         how the tasks of a stage run: here one after another, on Spark in parallel

A build is a list of stages. A task of a stage is a function of its number: it reads named arrays,
writes a range or a block of others, and returns a few numbers. It may run twice and then writes the
same. On Spark the job (`graphagg.spark.job`) runs the tasks and holds the arrays.
"""
