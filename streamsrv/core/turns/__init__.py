"""Turn taking: from voice activity and words to turns of the user."""
