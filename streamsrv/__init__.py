"""streamsrv: a self-hosted real-time voice server."""

from importlib.metadata import version

__version__ = version("streamsrv")
