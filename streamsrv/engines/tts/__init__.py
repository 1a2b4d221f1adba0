"""Speech synthesis: the protocol in `base`, one engine a module."""
