"""Helper processes of the server: how they are started, watched, spoken to and stopped."""
