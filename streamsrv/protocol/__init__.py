"""The OpenAI Realtime wire protocol: events, items, the session object and errors. Pure, without audio codecs."""
