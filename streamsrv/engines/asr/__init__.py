"""Speech recognition: the protocol in `base`, one engine a module."""
