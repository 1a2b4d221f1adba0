"""Runs work on fixed tensors: on a GPU as CUDA graphs, on a CPU directly. Imported only in the engine's process."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

torch: Any = import_module("torch")

_WARM_UP_RUNS = 3
"""Runs before a capture, in which libraries choose their algorithms and allocate what they keep."""


class Graphs:
    """Captures functions that read and write only tensors that stay where they are.

    Most of the time of a small step is spent on launching its kernels; a graph launches all of them at once.
    """

    def __init__(self, device: Any) -> None:
        self._is_cuda = device.type == "cuda"
        self._pool: Any = torch.cuda.graph_pool_handle() if self._is_cuda else None

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Return a function that does what `work` does. `work` must not wait for the GPU; it is run some times here."""
        if not self._is_cuda:
            return work
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_RUNS):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            work()
        return graph.replay


def sizes_up_to(most: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes below `most`, and `most`: those for which there is a graph."""
    return (*(size for size in sizes if size < most), most)
