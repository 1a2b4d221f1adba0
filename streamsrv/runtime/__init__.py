"""Runs a session: passes inputs to its core and performs the core's effects."""
