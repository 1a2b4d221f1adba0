"""End of turn from audio: the protocol in `base`, one engine a module."""
