"""Playback: tracks which audio is played, and which words of it were heard."""
