"""Fetches, checks and keeps the weight files of models."""
