"""Input from users: passages, their metadata, filters on metadata, and tokens."""
