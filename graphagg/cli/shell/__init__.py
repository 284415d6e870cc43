"""Interactive prompts over an index: `graphagg communities shell`, `graphagg rag shell`.

What a line means (`words`, `commands`, `communities`, `passages`) knows no terminal; `prompt` reads
lines from one, or from a pipe.
"""
