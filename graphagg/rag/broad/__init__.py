"""Questions about a corpus as a whole: passages from several themes."""
