"""What the engine `hibari` adds to its package: the times of words."""
