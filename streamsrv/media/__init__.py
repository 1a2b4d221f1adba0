"""The media process of WebRTC calls: connections and codecs, no model. Others import its messages and link only."""
