"""Answers: turns requests for responses into events and speech."""
