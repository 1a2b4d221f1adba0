"""PCM audio: G.711, resampling, files."""
