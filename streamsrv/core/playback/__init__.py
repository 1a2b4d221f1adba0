"""What is being played, and what of it was heard."""
