"""Voice-activity detection: the protocol in `base`, and a module for each engine."""
