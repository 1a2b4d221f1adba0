"""The OpenAI Realtime wire protocol: events, session options, errors."""
