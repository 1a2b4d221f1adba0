"""Answers: from the request for a response to its events and its speech."""
