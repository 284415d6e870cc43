"""What users bring: passages, their metadata, filters over it, and tokens."""
