"""Printing: messages, progress, tables."""
