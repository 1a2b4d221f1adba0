"""What a session decides because it runs in a telephone call. Pure."""
