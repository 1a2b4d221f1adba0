"""End-of-turn prediction from audio: the protocol in `base`, and a module for each engine."""
