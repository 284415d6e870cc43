"""GPS models: their settings, what they read, and what they answer.

Import from `graphagg.nn`; the modules here load when one of its names is first used.
"""
