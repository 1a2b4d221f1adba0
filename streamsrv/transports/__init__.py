"""Edges to clients: bytes to protocol events and PCM, and back."""
