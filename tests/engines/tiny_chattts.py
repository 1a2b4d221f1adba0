"""Makes a tiny ChatTTS with random weights, in the files that the package itself reads. Needs the extra `chattts`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pybase16384
import torch
from ChatTTS.config import Config
from ChatTTS.model import DVAE, Embed
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import LlamaConfig, LlamaModel
from vocos import Vocos
from vocos.pretrained import instantiate_class

from streamsrv.engines.tts.chattts_model.facts import SIZES_FILE
from streamsrv.engines.tts.chattts_model.loop import changed

WIDTH = 64
ORDINARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz,.?!' ，。你好"]
ORDINARY += ["##" + letter for letter in "abcdefghijklmnopqrstuvwxyz"]
TAGS = "Sbreak Pbreak Ebreak Stts Ptts spk_emb empty_spk music uv_break v_break lbreak llbreak undefine laugh".split()
TAGS += [
    f"{name}_{n}" for name, count in (("oral", 10), ("laugh", 3), ("break", 8), ("speed", 10)) for n in range(count)
]
SPECIAL = [f"[{tag}]" for tag in TAGS]  # after all ordinary ones, as in the published tokenizer


def sizes() -> dict[str, Any]:
    """What is smaller than in the published model."""
    tokens = {"num_text_tokens": len(ORDINARY) + len(SPECIAL)}
    layer = {"hidden": 16, "n_layer": 1, "bn_dim": 8}
    return {
        "decoder": {"idim": WIDTH // 2, "odim": WIDTH // 2, **layer},
        "dvae": {
            "encoder": {"idim": 16, "odim": 32, **layer},
            "decoder": {"idim": 16, "odim": 16, **layer},
            "vq": {"dim": 32},
        },
        "gpt": {
            "hidden_size": WIDTH,
            "intermediate_size": 128,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            **tokens,
        },
        "embed": {"hidden_size": WIDTH, **tokens},
        "vocos": {
            "backbone": {"init_args": {"dim": 32, "intermediate_dim": 64, "num_layers": 2}},
            "head": {"init_args": {"dim": 32}},
        },
        "spk_stat": pybase16384.encode_to_string(np.repeat([1, 0], WIDTH).astype(np.float16).tobytes()),
    }


def make(folder: Path, seed: int = 0) -> Path:
    """Write the model into the folder; return the folder."""
    asset = folder / "asset"
    (asset / "tokenizer").mkdir(parents=True)
    (folder / SIZES_FILE).write_text(json.dumps(sizes()), encoding="utf-8")
    configuration = changed(Config(), sizes())
    torch.manual_seed(seed)
    _save_networks(asset, configuration)
    shape = asdict(configuration.gpt)
    names = ("hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "max_position_embeddings")
    no_tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"))
    llama = LlamaConfig(vocab_size=8, **{name: shape[name] for name in names}, **no_tokens)
    LlamaModel(llama).save_pretrained(asset / "gpt")
    (asset / "gpt" / "generation_config.json").unlink(missing_ok=True)
    _save_tokenizer(asset / "tokenizer")
    return folder


def _save_networks(asset: Path, configuration: Any) -> None:
    dvae, vocos, embed = configuration.dvae, configuration.vocos, configuration.embed
    coefficients = pybase16384.encode_to_string(np.full(100, 0.5, np.float32).tobytes())
    networks = {
        "DVAE": DVAE(
            decoder_config=asdict(dvae.decoder),
            encoder_config=asdict(dvae.encoder),
            vq_config=asdict(dvae.vq),
            dim=dvae.decoder.idim,
            coef=coefficients,
        ),
        "Decoder": DVAE(
            decoder_config=asdict(configuration.decoder), dim=configuration.decoder.idim, coef=coefficients
        ),
        "Embed": Embed(embed.hidden_size, embed.num_audio_tokens, embed.num_text_tokens, embed.num_vq),
        "Vocos": Vocos(
            **{
                part: instantiate_class(args=(), init=asdict(getattr(vocos, part)))
                for part in ("feature_extractor", "backbone", "head")
            }
        ),
    }
    for name, network in networks.items():
        weights = {key: value.contiguous().clone() for key, value in network.state_dict().items()}
        save_file(weights, asset / f"{name}.safetensors")


def _save_tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordPiece(vocab={token: i for i, token in enumerate(ORDINARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in [*ORDINARY[:5], *SPECIAL]])
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "mask", "pad", "sep", "unk")}
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 10**9}
    (folder / "special_tokens_map.json").write_text(json.dumps({**special, "additional_special_tokens": SPECIAL}))
    (folder / "tokenizer_config.json").write_text(json.dumps({**special, **settings}))
