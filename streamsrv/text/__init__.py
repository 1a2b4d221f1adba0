"""Processes text: normalisation for synthesis, word timing, subtitles. Pure."""
