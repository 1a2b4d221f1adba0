"""Simulates telephone calls: speaks the protocol of a provider, as the provider, to a server."""
