"""For operators: metrics, the log of requests, the log of questions."""
