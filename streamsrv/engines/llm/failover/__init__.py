"""Answers with another language model when the first one cannot."""
