"""Live captions: rooms with speakers and viewers."""
