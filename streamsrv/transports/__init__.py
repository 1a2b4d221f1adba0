"""Transports: convert between a client's bytes and protocol events or PCM."""
