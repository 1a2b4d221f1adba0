"""Streaming recognition by Vosk's Kaldi."""
