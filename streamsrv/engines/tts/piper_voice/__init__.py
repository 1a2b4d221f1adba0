"""The parts of a Piper voice: its configuration, and the phonemes that it reads."""
