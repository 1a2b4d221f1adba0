"""XTTS: the model's classes of coqui-tts, with a serving loop of our own that speaks many segments together."""
