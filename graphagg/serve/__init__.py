"""Services over opened indices: HTTP with a page, and an MCP server."""
