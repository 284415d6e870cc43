"""Answers in words through a language model's endpoint, for the service."""
