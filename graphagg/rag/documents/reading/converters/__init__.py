"""Converters: the bytes or the text of one kind of file, as text with headings and pages."""
