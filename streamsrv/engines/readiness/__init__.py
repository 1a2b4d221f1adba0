"""Finds out what a model lacks on this machine, and says what mends it."""
