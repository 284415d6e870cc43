"""GPS models: feature encoders, layers, prediction heads, files.

Import from `graphagg.nn`; the modules here are loaded when one of its names is first used.
"""
