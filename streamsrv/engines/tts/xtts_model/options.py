"""The options of XTTS, which the server checks and the engine process reads."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field


@dataclass(frozen=True, slots=True)
class XttsOptions:
    """Options of a catalogue entry with the engine `xtts`."""

    folder: str = ""
    """Folder with config.json, vocab.json, model.pth and speakers_xtts.pth (which may be missing), for an entry without
    weights, such as a fine-tuned model; the files are not verified."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU if PyTorch finds one."""
    compute_type: Literal["float32", "float16", "bfloat16"] = "float32"
    """Numbers in which the GPT computes. The halves take half the memory; how they sound with the published weights is
    not known."""
    streams: Annotated[int, Field(ge=1, le=256)] | None = None
    """Segments that are spoken at once; each takes some hundred MB of the GPU's memory. None: what fits, at most 128; 2
    on a CPU."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads of PyTorch on a CPU."""
    temperature: Annotated[float, Field(gt=0, le=2)] | None = None
    """How freely tokens are chosen; None, as for the following ones: what the model's config.json says."""
    top_k: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Of how many of the likeliest tokens; 1: always the likeliest."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """And of so many that they have this share of the probability."""
    repetition_penalty: Annotated[float, Field(ge=1, le=100)] | None = None
    """How strongly tokens that were spoken before are avoided."""
    python: str = ""
    """The Python of the engine's process, for an environment of its own with the extra `xtts`; empty: the server's."""
