"""Questions and answers: parsing of questions, and the types of requests and results."""
