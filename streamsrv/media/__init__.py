"""The media process of WebRTC calls: connections and codecs. Other packages import only its messages."""
