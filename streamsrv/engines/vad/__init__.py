"""Voice activity detection: the protocol in `base`, one engine a module."""
