"""Keeps what every request to a model has cost, in SQLite or PostgreSQL."""
