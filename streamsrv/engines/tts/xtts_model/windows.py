"""Which frames the vocoder decodes next, so that its audio is that of a decode of the whole sequence. Pure.

A sample depends on the frames around it. A window is decoded with that many frames more than are taken from it, except
where the sequence itself begins or ends. Windows have few widths, because each one costs CUDA graphs and, the first
time, the choice of the GPU's algorithms.
"""

from dataclasses import dataclass

CONTEXT_FRAMES = 14
"""Frames on each side that a sample depends on: the reach of the vocoder's convolutions is a little more than 13."""
WIDTHS = (41, 64, 96, 128)
"""Widths of the first window of a sequence, of the second, the third, and all others; at the end, one that fits.

The first is what ten latents make, so that the first sound comes early; the next ones come before it is over. The more
of a window is context, the more work is done twice. Only a sequence shorter than the first has a width of its own.
"""


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
        width = _width_after(done)
        return Window(start, width, done, start + width - CONTEXT_FRAMES) if available >= start + width else None
    if done >= available:
        return None
    widths = [width for width in WIDTHS if width <= available] or [available]
    for width in widths:
        if available - start <= width:  # the window ends where the sequence does
            return Window(available - width, width, done, available)
    return Window(start, widths[-1], done, start + widths[-1] - CONTEXT_FRAMES)


def _width_after(done: int) -> int:
    reached = 0
    for width in WIDTHS:
        if done <= reached:
            return width
        reached += width - (2 if reached else 1) * CONTEXT_FRAMES
    return WIDTHS[-1]
