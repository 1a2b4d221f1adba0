"""The main process's side of WebRTC calls, whose media runs in other processes."""
