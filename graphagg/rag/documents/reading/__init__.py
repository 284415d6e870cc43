"""Reading what users bring: files of a folder as documents, each with its title and metadata."""
