"""Language models: the protocol in `base`, one engine a module."""
