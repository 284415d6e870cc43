"""Turns a ranking into an answer: members, reasons, structure, pictures."""
