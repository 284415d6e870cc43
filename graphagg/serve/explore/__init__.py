"""A corpus as a whole over HTTP and MCP: its map, what is alike, where a question lies."""
