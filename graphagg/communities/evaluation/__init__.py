"""Measures how well queries recover known communities."""
