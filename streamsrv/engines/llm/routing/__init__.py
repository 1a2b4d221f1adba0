"""Chooses the language model for each request: by the task, price, speed, health, privacy and language. Pure."""
