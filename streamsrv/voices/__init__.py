"""The voices that clients have cloned from recordings: what a recording must be, and where it is kept."""
