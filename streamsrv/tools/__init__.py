"""The tools that the server itself runs for a language model: Python functions, and those of MCP servers."""
