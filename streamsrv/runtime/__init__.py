"""What runs a session: carries inputs to its core and the core's effects out."""
