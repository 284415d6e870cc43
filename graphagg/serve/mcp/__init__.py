"""The MCP server: answers as tools for language models, in few tokens, over stdio or HTTP."""

from graphagg.serve.mcp.server import create_server, http_app

__all__ = ["create_server", "http_app"]
