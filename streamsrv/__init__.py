"""streamsrv: a self-hosted real-time voice server."""

import os
from importlib.metadata import version

from streamsrv import telemetry

__version__ = version("streamsrv")

telemetry.turn_off(os.environ)
