"""The HTTP service: application, server, request limits, security, errors."""
