"""Recognisers in the place of one that fails, without losing a word."""
