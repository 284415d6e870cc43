"""Read the files of a folder as documents, each with its title and metadata."""
