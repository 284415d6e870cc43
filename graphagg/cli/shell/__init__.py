"""Interactive prompts over an index: `graphagg communities shell`, `graphagg rag shell`."""
