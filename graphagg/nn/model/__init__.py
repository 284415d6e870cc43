"""GPS models: feature encoders, layers, prediction heads, files.

Import from `graphagg.nn`; the modules here load when one of its names is first used.
"""
