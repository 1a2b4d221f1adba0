"""Makes streaming recognisers of decoders of whole windows."""
