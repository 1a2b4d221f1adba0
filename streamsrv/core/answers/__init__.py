"""Answers: from a response that is asked for to events and speech."""
