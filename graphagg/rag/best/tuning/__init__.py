"""Choosing the constants of `best` for questions with known answers."""
