"""Settings as dataclasses; one file per subject."""
