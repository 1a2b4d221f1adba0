"""The wire format of chat completions, in the shapes that OpenAI and other servers give it."""
