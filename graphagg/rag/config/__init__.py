"""Settings of everything that can be set: one file per subject."""
