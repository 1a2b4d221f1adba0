"""Reads the settings from flags, variables and a file, and says where each one came from and what is wrong with it."""
