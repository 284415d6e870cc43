"""Ranks the vertices around seed vertices."""
