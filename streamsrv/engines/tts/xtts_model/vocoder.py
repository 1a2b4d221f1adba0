"""XTTS's vocoder, window by window and several streams in one call. Imported only in the engine's process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.tts.xtts_model.frames import FrameGrid
from streamsrv.engines.tts.xtts_model.graphs import Graphs, sizes_up_to
from streamsrv.engines.tts.xtts_model.windows import WIDTHS

torch: Any = import_module("torch")
parametrize: Any = import_module("torch.nn.utils.parametrize")

MAX_BATCH = 8
"""Windows in one call: with more of them, a GPU is no quicker for each one."""
BATCHES = (1, 2, 4)
MAX_SPEED = 2.0


@dataclass(frozen=True, slots=True)
class Job:
    """Latents (latents, width), the weights that make frames of them (frames, latents), the speaker (channels, 1)."""

    latents: Any
    weights: NDArray[np.float32]
    speaker: Any


class Vocoder:
    """The `HifiDecoder` of a loaded `Xtts`, always in float32. Not thread-safe."""

    def __init__(self, decoder: Any, graphs: Graphs) -> None:
        self._network: Any = decoder.waveform_decoder
        _fold_weight_norms(self._network)
        self._graphs = graphs
        self.scales: tuple[float, float] = (
            decoder.ar_mel_length_compression / decoder.output_hop_length,
            decoder.output_sample_rate / decoder.input_sample_rate,
        )
        """How often each stage makes its input longer, see `FrameGrid`."""
        self.sample_rate: int = decoder.output_sample_rate
        self.frame_samples: int = decoder.output_hop_length
        self._calls: dict[tuple[int, int], _Call] = {}

    def warm_up(self) -> None:
        """Capture all graphs, and run the widths of short sequences once, for which there are none."""
        for width in WIDTHS:
            for batch in sizes_up_to(MAX_BATCH, BATCHES):
                call = self._calls[width, batch] = self._new_call(width, batch)
                call.run = self._graphs.capture(call.run)
        if self._device.type == "cuda":
            for width in range(1, WIDTHS[0]):
                self._new_call(width, 1).run()

    def decode(self, jobs: Sequence[Job]) -> NDArray[np.float32]:
        """Return the audio (jobs, samples) of at most `MAX_BATCH` windows of equal width. Blocks."""
        width = len(jobs[0].weights)
        batch = next(size for size in sizes_up_to(MAX_BATCH, BATCHES) if size >= len(jobs))
        call = self._calls.get((width, batch)) or self._new_call(width, len(jobs))
        for row, job in enumerate(jobs):
            latents = job.weights.shape[1]
            call.weights[row].zero_()
            call.weights[row, :, :latents] = torch.from_numpy(job.weights).to(self._device)
            call.latents[row, :latents] = job.latents[:latents]
            call.speakers[row] = job.speaker
        call.run()
        return cast("NDArray[np.float32]", call.audio[: len(jobs)].cpu().numpy())

    @property
    def _device(self) -> Any:
        return self._network.conv_post.weight.device

    def _new_call(self, width: int, batch: int) -> "_Call":
        latents = FrameGrid((1 / MAX_SPEED, *self.scales)).most_latents(width)
        return _Call(self._network, batch, width, latents, width * self.frame_samples)


class _Call:
    """The tensors of one call, which stay where they are, and `run`, which computes `audio` from the others."""

    def __init__(self, network: Any, batch: int, width: int, latents: int, samples: int) -> None:
        like = network.conv_post.weight
        channels, speaker = network.conv_pre.weight.shape[1], network.cond_layer.weight.shape[1]
        self._network = network
        self.latents = like.new_zeros(batch, latents, channels)
        self.weights = like.new_zeros(batch, width, latents)
        self.speakers = like.new_zeros(batch, speaker, 1)
        self.audio = like.new_zeros(batch, samples)
        self.run: Callable[[], None] = self._compute

    def _compute(self) -> None:
        frames = (self.weights @ self.latents).transpose(1, 2).contiguous()
        self.audio.copy_(self._network(frames, g=self.speakers)[:, 0])


def _fold_weight_norms(network: Any) -> None:
    """Compute the normalised weights once, and not at each call."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)
