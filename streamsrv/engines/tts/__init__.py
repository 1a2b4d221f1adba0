"""Speech synthesis: the protocol in `base`, and a module for each engine."""
