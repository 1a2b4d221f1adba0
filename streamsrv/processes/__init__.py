"""Starts, watches and stops helper processes of the server, and exchanges messages with them."""
