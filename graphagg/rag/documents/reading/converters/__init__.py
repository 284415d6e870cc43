"""Converters, one per file format, from bytes or text to text with headings and pages."""
