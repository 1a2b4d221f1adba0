"""The network namespace of the tests: nothing but loopback, which can be cut off."""

import os
import subprocess

OURS = "STREAMSRV_TESTS_OWN_LOOPBACK"
"""Set by `__main__.py` when it made a namespace for the tests."""


class Network:
    """Between browser and server. Playwright and the sound card are reached through pipes and files, not through it."""

    @staticmethod
    def is_ours() -> bool:
        return OURS in os.environ

    def cut(self) -> None:
        """Every packet is lost from now on; connections are not told."""
        self._set("down")

    def restore(self) -> None:
        self._set("up")

    def _set(self, state: str) -> None:
        subprocess.run(["ip", "link", "set", "lo", state], check=True)
