"""Input from users: passages, their metadata, filters over it, and tokens."""
