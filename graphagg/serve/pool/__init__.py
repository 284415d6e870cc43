"""Worker processes: one front process speaks HTTP, several answer over the same mapped indices."""
