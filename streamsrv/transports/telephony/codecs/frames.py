"""Cuts audio into frames of the length that a provider plays without gaps. Pure."""


class FrameCutter:
    """Returns whole frames of `size` bytes, and keeps what does not fill one."""

    def __init__(self, size: int, silence: bytes = b"\0") -> None:
        self._size = size
        self._silence = silence
        self._kept = b""

    def cut(self, audio: bytes) -> list[bytes]:
        """Add audio; return the frames that are complete."""
        audio = self._kept + audio
        whole = len(audio) - len(audio) % self._size
        self._kept = audio[whole:]
        return [audio[start : start + self._size] for start in range(0, whole, self._size)]

    def rest(self) -> list[bytes]:
        """Return what is kept as one frame that ends in silence, if anything is kept."""
        kept, self._kept = self._kept, b""
        return [kept + self._silence * (self._size - len(kept))] if kept else []

    def drop(self) -> None:
        """Forget what is kept."""
        self._kept = b""
