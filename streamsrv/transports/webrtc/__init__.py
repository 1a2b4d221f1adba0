"""The server's end of WebRTC calls."""
