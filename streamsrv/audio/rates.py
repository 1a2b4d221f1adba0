"""The sample rates of the server, each under one name."""

SPEECH_RATE_HZ = 16_000
"""Rate of the audio that the models take: voice activity, recognisers and end-of-turn models."""
PCM_RATE_HZ = 24_000
"""Rate of linear PCM in the protocol, and of the speech given to encoders."""
OPUS_CLOCK_HZ = 48_000
"""Rate of decoded Opus and of its RTP timestamps (RFC 7587), whatever rate was encoded. A tick is one sample of it."""
OPUS_FRAME_SAMPLES = PCM_RATE_HZ // 50
"""Samples at `PCM_RATE_HZ` in an encoded Opus frame: 20 ms."""
