"""WebRTC: media processes that own the connections of calls, and what the server's process sees of them."""
