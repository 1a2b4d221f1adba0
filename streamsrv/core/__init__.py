"""The core of a session: inputs in, effects out. Pure: no sockets, threads, clocks, files or models."""
