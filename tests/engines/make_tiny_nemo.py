"""Makes `tiny_nemo/`: a tiny cache-aware FastConformer that has learnt four recordings by heart, as NeMo and as ONNX.

Not a test. It needs the extras `nemo` and `convert` and takes some minutes: `python tests/engines/make_tiny_nemo.py`.
The words are trained to come when they are spoken; features are disturbed, because sherpa-onnx computes them a little
differently for models that do not stream.
"""

import logging
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tiny_nemo_checks import FILES, FIXTURES, TEXTS

from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ

TOKENS = 64
WIDTH, HIDDEN, BANDS = 64, 32, 80
STEPS, BATCH = 800, 8
FRAME_S = 0.08
EARLY_S, LATE_S = 0.35, 0.45
"""How much earlier or later than it is spoken a token may come."""
_MODULES = "nemo.collections.asr.modules."


def configuration(tokenizer: Path) -> dict[str, Any]:
    """The smallest model of the kind that NVIDIA publishes for streaming."""
    return {
        "sample_rate": SPEECH_RATE_HZ,
        "compute_eval_loss": False,
        "log_prediction": False,
        "skip_nan_grad": False,
        "model_defaults": {"enc_hidden": WIDTH, "pred_hidden": HIDDEN, "joint_hidden": HIDDEN},
        "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
        "preprocessor": {
            "_target_": _MODULES + "AudioToMelSpectrogramPreprocessor",
            "sample_rate": SPEECH_RATE_HZ,
            "normalize": "NA",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": BANDS,
            "n_fft": 512,
            "frame_splicing": 1,
            "dither": 1e-5,
            "pad_to": 0,
        },
        "encoder": {
            "_target_": _MODULES + "ConformerEncoder",
            "feat_in": BANDS,
            "feat_out": -1,
            "n_layers": 2,
            "d_model": WIDTH,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 16,
            "causal_downsampling": True,
            "ff_expansion_factor": 2,
            "self_attention_model": "rel_pos",
            "n_heads": 2,
            "att_context_size": [[70, 6], [70, 1]],
            "att_context_style": "chunked_limited",
            "att_context_probs": [0.3, 0.7],
            "xscaling": True,
            "pos_emb_max_len": 500,
            "conv_kernel_size": 9,
            "conv_norm_type": "layer_norm",
            "conv_context_size": "causal",
            **dict.fromkeys(("dropout", "dropout_pre_encoder", "dropout_emb", "dropout_att"), 0.0),
        },
        "decoder": {
            "_target_": _MODULES + "RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "prednet": {"pred_hidden": HIDDEN, "pred_rnn_layers": 1, "t_max": None, "dropout": 0.0},
        },
        "joint": {
            "_target_": _MODULES + "RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "fused_batch_size": None,
            "jointnet": {"joint_hidden": HIDDEN, "activation": "relu", "dropout": 0.0},
        },
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 5}},
        "loss": {"loss_name": "default", "warprnnt_numba_kwargs": {"fastemit_lambda": 0.0, "clamp": -1.0}},
    }


class Examples:
    """Random arrangements of the recordings, with the tokens and the times in which each may come."""

    def __init__(self, encode: Any) -> None:
        self._random = np.random.default_rng(0)
        self._encode = encode
        self._audio = {name: to_float(read_audio(FIXTURES / f"{name}.flac", SPEECH_RATE_HZ)) for name in TEXTS}

    def one(self) -> tuple[NDArray[np.float32], list[int], list[tuple[float, float]]]:
        """Silence, a recording, or two."""
        random, names = self._random, list(TEXTS)
        kind = random.integers(0, 6)
        if kind == 0:
            level = random.choice([0, 1e-4, 1e-3])
            return (random.standard_normal(random.integers(8_000, 48_000)) * level).astype(np.float32), [], []
        parts: list[NDArray[np.float32]] = []
        tokens: list[int] = []
        windows: list[tuple[float, float]] = []
        for _ in range(1 if kind < 4 else 2):
            name = names[random.integers(len(names))]
            parts.append(np.zeros(random.integers(0, 16_000), np.float32))
            begin = sum(map(len, parts)) / SPEECH_RATE_HZ
            start, end = _span(self._audio[name])
            own: list[int] = self._encode(TEXTS[name])
            centres = [begin + start + (index + 0.5) / len(own) * (end - start) for index in range(len(own))]
            windows += [(centre - EARLY_S, centre + LATE_S) for centre in centres]
            tokens += own
            parts.append(self._audio[name] * random.uniform(0.7, 1.2))
        parts.append(np.zeros(random.integers(3_200, 16_000), np.float32))
        samples = np.concatenate(parts)
        noise = random.standard_normal(len(samples)) * random.uniform(0, 3e-4) * random.integers(0, 2)
        return (samples + noise).astype(np.float32), tokens, windows

    def batch(self) -> tuple[torch.Tensor, ...]:
        """Audio, its lengths, tokens, their numbers, and their windows in s."""
        audio, tokens, windows = zip(*(self.one() for _ in range(BATCH)), strict=True)
        longest, most = max(map(len, audio)), max(1, *map(len, tokens))
        signals, targets, times = (
            torch.zeros(BATCH, longest),
            torch.zeros(BATCH, most).long(),
            torch.zeros(BATCH, most, 2),
        )
        for row in range(BATCH):
            signals[row, : len(audio[row])] = torch.from_numpy(audio[row])
            if tokens[row]:
                targets[row, : len(tokens[row])] = torch.tensor(tokens[row])
                times[row, : len(windows[row])] = torch.tensor(windows[row])
        return signals, torch.tensor([*map(len, audio)]), targets, torch.tensor([*map(len, tokens)]), times


def _span(samples: NDArray[np.float32]) -> tuple[float, float]:
    """When in a recording somebody speaks, in s."""
    levels = np.abs(samples[: len(samples) // 160 * 160]).reshape(-1, 160).mean(axis=1)
    loud = np.flatnonzero(levels > 0.08 * levels.max())
    return float(loud[0]) * 0.01, float(loud[-1]) * 0.01


def rnnt_loss(
    logits: torch.Tensor, targets: torch.Tensor, frames: torch.Tensor, counts: torch.Tensor, windows: torch.Tensor
) -> torch.Tensor:
    """The transducer's loss (Graves, 2012), with tokens only in their windows; NeMo's own is slow on a CPU."""
    logprobs = torch.log_softmax(logits, -1)
    rows, length, symbols, _ = logprobs.shape
    blank = logprobs[..., -1]
    wanted = targets[:, None, : symbols - 1, None].expand(rows, length, symbols - 1, 1)
    emit = logprobs[:, :, :-1].gather(3, wanted).squeeze(3)
    times = ((torch.arange(length) + 0.5) * FRAME_S)[None, :, None]
    inside = (times >= windows[:, None, :, 0]) & (times <= windows[:, None, :, 1])
    emitted = torch.cat([torch.zeros(rows, length, 1), emit.where(inside, torch.tensor(-30.0)).cumsum(2)], 2)
    alpha = emitted[:, 0]
    alphas = [alpha]
    for frame in range(1, length):
        alpha = emitted[:, frame] + torch.logcumsumexp(alpha + blank[:, frame - 1] - emitted[:, frame], 1)
        alphas.append(alpha)
    row = torch.arange(rows)
    last = frames - 1
    return -(torch.stack(alphas, 1)[row, last, counts] + blank[row, last, counts]).mean()


def train(model: Any, examples: Examples) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS, pct_start=0.15)
    for step in range(STEPS):
        signals, lengths, targets, counts, windows = examples.batch()
        features, feature_lengths = model.preprocessor(input_signal=signals, length=lengths)
        disturbed = torch.randn(BATCH, BANDS, 1) * 0.5 + torch.randn(BATCH, 1, 1) * 0.5
        features = features + disturbed + torch.randn_like(features) * 0.2
        encoded, frames = model.encoder(audio_signal=features, length=feature_lengths)
        predicted, _, _ = model.decoder(targets=targets, target_length=counts)
        logits = model.joint(encoder_outputs=encoded, decoder_outputs=predicted)
        loss = rnnt_loss(logits, targets, frames, counts, windows)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == STEPS - 1:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)


def make_tokenizer(folder: Path) -> Any:
    import sentencepiece

    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join([*TEXTS.values()] * 50))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=TOKENS,
        model_type="bpe",
        character_coverage=1.0,
        minloglevel=2,
        bos_id=-1,
        eos_id=-1,
    )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    (folder / "vocab.txt").write_text("\n".join(processor.id_to_piece(number) for number in range(TOKENS)))
    return processor


def export(path: Path, folder: Path, *, streaming: bool) -> None:
    """Write what sherpa-onnx's export scripts write, in int8."""
    import onnx
    from nemo.collections.asr.models import ASRModel
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = ASRModel.restore_from(str(path), map_location="cpu").eval()
    encoder = model.encoder
    encoder.set_default_att_context_size([70, 1])
    said: dict[str, Any] = {
        "vocab_size": model.decoder.vocab_size,
        "normalize_type": "",
        "pred_rnn_layers": model.decoder.pred_rnn_layers,
        "pred_hidden": model.decoder.pred_hidden,
        "subsampling_factor": 8,
        "feat_dim": BANDS,
        "model_type": "EncDecRNNTBPEModel",
        "comment": "a tiny model for tests",
    }
    if streaming:
        model.set_export_config({"cache_support": True})
        steps = encoder.streaming_cfg
        said |= {
            "window_size": steps.chunk_size[1] + steps.pre_encode_cache_size[1],
            "chunk_shift": steps.chunk_size[1],
            "cache_last_channel_dim1": len(encoder.layers),
            "cache_last_channel_dim2": steps.last_channel_cache_size,
            "cache_last_channel_dim3": encoder.d_model,
            "cache_last_time_dim1": len(encoder.layers),
            "cache_last_time_dim2": encoder.d_model,
            "cache_last_time_dim3": encoder.conv_context_size[0],
        }
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, part in (("encoder", encoder), ("decoder", model.decoder), ("joiner", model.joint)):
            whole, small = Path(scratch, f"{name}.onnx"), folder / f"{name}.int8.onnx"
            part.export(str(whole), check_trace=False)
            kind = QuantType.QUInt8 if name == "encoder" else QuantType.QInt8
            quantize_dynamic(str(whole), str(small), weight_type=kind)
    graph = onnx.load(folder / "encoder.int8.onnx")
    onnx.helper.set_model_props(graph, {key: str(value) for key, value in said.items()})
    onnx.save(graph, folder / "encoder.int8.onnx")
    lines = [f"{token} {number}\n" for number, token in enumerate([*model.joint.vocabulary, "<blk>"])]
    (folder / "tokens.txt").write_text("".join(lines))


def main(folder: Path) -> None:
    from nemo.collections.asr.models import EncDecRNNTBPEModel
    from nemo.utils import logging as nemo_logging
    from omegaconf import OmegaConf

    nemo_logging.setLevel(logging.ERROR)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        processor = make_tokenizer(Path(scratch))
        model = EncDecRNNTBPEModel(cfg=OmegaConf.create(configuration(Path(scratch)))).train()
        train(model, Examples(processor.encode))
        model.eval().save_to(str(folder / "tiny.nemo"))
    export(folder / "tiny.nemo", folder / "streaming", streaming=True)
    export(folder / "tiny.nemo", folder / "offline", streaming=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILES)
