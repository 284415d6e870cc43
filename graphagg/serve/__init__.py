"""Where indices are asked over HTTP and MCP: the service, its page, and the MCP server."""
