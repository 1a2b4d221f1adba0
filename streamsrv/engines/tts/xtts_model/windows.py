"""Which frames the vocoder decodes next, so that its audio is that of a decode of the whole sequence. Pure.

A sample depends on the frames around it. A window is decoded with that many frames more than are taken from it, except
where the sequence itself begins or ends. Windows have few widths, because each one costs CUDA graphs and, the first
time, the choice of the GPU's algorithms.
"""

from dataclasses import dataclass

CONTEXT_FRAMES = 14
"""Frames on each side that a sample depends on: the reach of the vocoder's convolutions is a little more than 13."""
FIRST_FRAMES = 41
"""Width of the first window: what ten latents make, so that the first sound comes early."""
NEXT_FRAMES = 128
"""Width of the others. The more of a window is context, the more of the work is done twice."""
WIDTHS = (FIRST_FRAMES, 64, 96, NEXT_FRAMES)
"""All widths, also those at the end of a sequence. Only a sequence shorter than the first has a width of its own."""


@dataclass(frozen=True, slots=True)
class Window:
    """Frames from `start` on, `width` of them, to be decoded; the audio of those from `begin` to `end` is taken."""

    start: int
    width: int
    begin: int
    end: int


def next_window(done: int, available: int, *, is_complete: bool) -> Window | None:
    """Return the window after the first `done` frames; None: none is due yet, or all frames are done.

    `available`: the frames that are known so far, and if the sequence `is_complete`, all there are.
    """
    start = max(0, done - CONTEXT_FRAMES)
    if not is_complete:
        width = NEXT_FRAMES if done else FIRST_FRAMES
        return Window(start, width, done, start + width - CONTEXT_FRAMES) if available >= start + width else None
    if done >= available:
        return None
    widths = [width for width in WIDTHS if width <= available] or [available]
    for width in widths:
        if available - start <= width:  # the window ends where the sequence does
            return Window(available - width, width, done, available)
    return Window(start, widths[-1], done, start + widths[-1] - CONTEXT_FRAMES)
