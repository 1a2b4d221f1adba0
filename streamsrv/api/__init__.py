"""HTTP: authentication, health, models."""
