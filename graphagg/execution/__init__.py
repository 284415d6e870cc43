"""The execution layer: the same build code runs in memory, over files and on Spark.

    arrays         named arrays in memory or in files; tasks write ranges of them, or blocks that
                   are joined
    blocks         small arrays that belong to one block: a task, or a piece of the input
    runner         runs the tasks of a stage: in this process one by one, on Spark in parallel

A build is a list of stages. A task of a stage is a function of its number: it reads named arrays,
writes a range or a block of other arrays, and returns a few numbers. If it runs twice, it writes
the same values. On Spark the job (`graphagg.spark.job`) runs the tasks and holds the arrays.
"""
