"""The HTTP surface: application, server, bodies, security, failures."""
