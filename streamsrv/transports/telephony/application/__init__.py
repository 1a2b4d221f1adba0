"""Asks the operator's application what to do with an incoming call, as OpenAI's call API does."""
