"""Text that is spoken or read: normalisation for synthesis, word timing, subtitles. Pure."""
