"""NVIDIA NeMo's models on a CPU with sherpa-onnx (Apache-2.0), without the toolkit.

Streaming: cache-aware FastConformer and Nemotron transducers (Noroozi et al., "Stateful Conformer with Cache-based
Inference for Streaming ASR", 2023). Whole windows: Parakeet TDT, RNNT and CTC (Xu et al., "Efficient Sequence
Transduction by Jointly Predicting Tokens and Durations", 2023). The files are those that sherpa-onnx's export scripts
write; what the encoder says about itself tells which kind it is. A folder of your own:

    [[model]]
    name = "my-fastconformer"
    kind = "recognizer"
    engine = "nemo_onnx"
    requires = ["sherpa_onnx"]
    extra = "nemo-onnx"
    languages = ["en"]
    options = { folder = "/models/my-fastconformer" }

sherpa-onnx ends the process at some faults of a file, so everything that it insists on is checked before it is loaded.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import sherpa_onnx  # type: ignore[import-not-found]  # it has no types
from pydantic import Field

from streamsrv.engines.asr.base import Abilities
from streamsrv.engines.asr.sherpa.files import Layout, read_layout
from streamsrv.engines.asr.sherpa.streaming import SherpaStreamingRecognizer, StreamingModel
from streamsrv.engines.asr.sherpa.windows import SherpaDecoder
from streamsrv.engines.asr.windows.incremental import IncrementalRecognizer, ThreadedDecoder
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.errors import Unavailable

_sherpa: Any = sherpa_onnx
GREEDY, BEAM = "greedy_search", "modified_beam_search"


@dataclass(frozen=True, slots=True)
class NemoOnnxOptions:
    """Options of a catalogue entry with this engine."""

    folder: str = ""
    """Folder of an exported model, for an entry without weights; its files are not verified."""
    decoding: Literal["greedy_search", "modified_beam_search"] = "greedy_search"
    """`modified_beam_search` hears keywords, and needs several times the work of the decoder."""
    beams: Annotated[int, Field(ge=1, le=32)] = 4
    """Hypotheses that `modified_beam_search` keeps."""
    keyword_score: Annotated[float, Field(gt=0)] = 1.5
    """How much likelier each token of a keyword is made, as a logarithm."""
    threads: Annotated[int, Field(ge=1)] = 1
    """Threads of one decode."""


OPTIONS = NemoOnnxOptions


def load(entry: ModelEntry, context: LoadContext) -> SherpaStreamingRecognizer | IncrementalRecognizer:
    """Load an encoder, a decoder, a joiner and `tokens.txt`, or one CTC model and `tokens.txt`.

    Options: `NemoOnnxOptions`. Raises `Unavailable` if a file is missing, truncated, or not of the others' model.
    """
    options = read_options(NemoOnnxOptions, entry)
    files = dict(context.files) or _files_in(entry, options.folder)
    try:
        layout = read_layout(files)
    except ValueError as error:
        raise Unavailable(f"{entry.name} could not be loaded: {error}") from error
    if layout.is_ctc and options.decoding == BEAM:
        raise Unavailable(
            f"The options of {entry.name} are wrong: decoding: {BEAM!r} needs a transducer, and {layout.encoder} is a "
            f"CTC model; accepted: {GREEDY!r}"
        )
    abilities = Abilities(
        languages=frozenset(entry.languages or layout.languages),
        keywords=options.decoding == BEAM,
        logprobs=True,
    )
    native = _open(layout, options)
    if layout.grid is None:
        decoder = SherpaDecoder(native, abilities, layout.token_ms)
        return IncrementalRecognizer(ThreadedDecoder(decoder, context.scheduler), entry.name)
    model = StreamingModel(
        native, layout.grid, layout.token_ms, grows=options.decoding == GREEDY, takes_language=layout.takes_language
    )
    return SherpaStreamingRecognizer(model, abilities, context.scheduler, entry.name)


def _files_in(entry: ModelEntry, folder: str) -> Mapping[str, Path]:
    if not folder:
        raise Unavailable(f"{entry.name} has no weights: its option `folder` must name a folder with an exported model")
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise Unavailable(f"{entry.name} could not be loaded: its option `folder`: there is no folder {path}")
    return {file.name: file for file in path.iterdir() if file.is_file()}


def _open(layout: Layout, options: NemoOnnxOptions) -> Any:
    """Open the `sherpa_onnx.OnlineRecognizer` or `OfflineRecognizer` of the model."""
    common: dict[str, Any] = {
        "tokens": str(layout.tokens),
        "num_threads": options.threads,
        "decoding_method": options.decoding,
    }
    if layout.is_ctc:
        return _sherpa.OfflineRecognizer.from_nemo_ctc(model=str(layout.encoder), **common)
    common |= {"encoder": str(layout.encoder), "decoder": str(layout.decoder), "joiner": str(layout.joiner)}
    if options.decoding != BEAM:
        return _transducer(layout, common)
    common |= {"max_active_paths": options.beams, "hotwords_score": options.keyword_score, "modeling_unit": "bpe"}
    with tempfile.NamedTemporaryFile("w", suffix=".vocab", encoding="utf-8") as vocabulary:
        vocabulary.writelines(_vocabulary(layout.vocabulary))
        vocabulary.flush()
        return _transducer(layout, common | {"bpe_vocab": vocabulary.name})


def _transducer(layout: Layout, arguments: Mapping[str, Any]) -> Any:
    if layout.grid is not None:
        return _sherpa.OnlineRecognizer.from_transducer(**arguments)
    return _sherpa.OfflineRecognizer.from_transducer(model_type="nemo_transducer", **arguments)


def _vocabulary(pieces: Sequence[str]) -> list[str]:
    """Return the lines of SentencePiece's vocabulary. The scores of BPE's pieces are their ranks: their order."""
    return [f"{piece}\t{-index}\n" for index, piece in enumerate(pieces)]
