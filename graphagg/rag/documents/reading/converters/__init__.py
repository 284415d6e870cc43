"""Converters of one kind of file each, from bytes or text to text with headings and pages."""
