"""The parts of the engine `faster_whisper`."""
