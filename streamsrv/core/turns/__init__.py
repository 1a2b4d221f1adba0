"""Turn taking: finds the user's turns from voice activity and words."""
