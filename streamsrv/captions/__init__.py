"""Live captions: rooms in which some speak and many read."""
