"""For operators: stages of requests, metrics, the log, the list of slow requests."""
