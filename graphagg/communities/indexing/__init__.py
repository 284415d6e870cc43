"""Building an index: one list of stages (`engine`) over arrays in memory, in files, or of a job."""
