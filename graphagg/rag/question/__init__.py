"""Questions and their answers: how a question is read, and the types of requests and results."""
