"""The parts of the engine for servers with OpenAI's `/v1/audio/speech`."""
