"""Which outputs of the GPT make which frames of the vocoder. Pure.

The model stretches the sequence of latents by linear interpolation, twice or three times in a row: to the speed that is
wanted, to the vocoder's frames at the rate of its training, and to those at the rate of its output. Each frame is a
weighted sum of neighbouring latents, so any part of the sequence can be computed as soon as its latents are there.
"""

from collections.abc import Sequence
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

_MARGIN = 1e-3
"""Frames that are kept back in the counts, because the model computes positions in float32."""


class FrameGrid:
    """The frames of one sequence of latents. `scales`: how often each stage makes its input longer, in order."""

    def __init__(self, scales: Sequence[float]) -> None:
        self._scales = [scale for scale in scales if scale != 1.0]

    def known(self, latents: int) -> int:
        """Return how many frames will not change any more when further latents follow these."""
        count = latents
        for scale in self._scales:
            count = max(0, floor((count - 0.5) * scale + 0.5 - _MARGIN))
        return min(count, self.total(latents))  # a stage that makes its input shorter leaves a part of the end out

    def total(self, latents: int) -> int:
        """Return how many frames a sequence of so many latents has in all."""
        return self._sizes(latents)[-1]

    def most_latents(self, frames: int) -> int:
        """Return how many latents so many frames in a row depend on at most."""
        count = frames
        for scale in reversed(self._scales):
            count = ceil((count - 1) / scale) + 2
        return count

    def weights(self, start: int, count: int, latents: int | None) -> tuple[int, NDArray[np.float32]]:
        """Return the first latent that `count` frames from `start` on depend on, and their weights: frames by latents.

        `latents`: the length of the sequence, None as long as it goes on; then the frames must be known.
        """
        sizes = self._sizes(latents) if latents is not None else [0] * len(self._scales)
        rows = np.arange(start, start + count)
        matrix: NDArray[np.float32] | None = None
        for scale, size in zip(reversed(self._scales), reversed(sizes[: len(self._scales)]), strict=True):
            if start == 0 and size and floor(size * scale) == size:
                continue  # PyTorch copies a sequence whose length does not change
            ratio = np.float32(1 / scale)
            at = np.maximum(ratio * (rows.astype(np.float32) + np.float32(0.5)) - np.float32(0.5), np.float32(0))
            low = np.floor(at).astype(np.int64)
            share = at - low.astype(np.float32)
            high = low + (share > 0)
            if size:
                low, high = np.minimum(low, size - 1), np.minimum(high, size - 1)
            first = int(low[0])
            stage = np.zeros((len(rows), int(high[-1]) - first + 1), np.float32)
            each = np.arange(len(rows))
            np.add.at(stage, (each, low - first), 1 - share)
            np.add.at(stage, (each, high - first), share)
            matrix = stage if matrix is None else matrix @ stage
            rows = np.arange(first, int(high[-1]) + 1)
        return int(rows[0]), np.eye(count, dtype=np.float32) if matrix is None else matrix

    def _sizes(self, latents: int) -> list[int]:
        """Return the length of the sequence before each stage, and after the last one."""
        sizes = [latents]
        for scale in self._scales:
            sizes.append(floor(sizes[-1] * scale))
        return sizes
