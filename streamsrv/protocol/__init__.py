"""The OpenAI Realtime wire protocol: events, items, the session object, errors. Pure: no codec."""
