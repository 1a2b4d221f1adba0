"""The pure core of a voice session, and the driver that runs it."""
