"""A tiny GGUF file that follows a script: a stand-in for a model that calls functions, run by the real llama.cpp.

Its only layer does nothing and its output matrix maps each token to the one that follows it, so that the last token of
the prompt decides the answer. The chat template, which shows tools as Qwen3's does, writes that token.
"""

import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 352
_FEED_FORWARD = 32
_HEAD = 32
_ALIGNMENT = 32
_UNKNOWN, _CONTROL, _USER_DEFINED, _BYTE = 2, 3, 4, 6
_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _INT32 = 4, 6, 7, 8, 9, 5
_END = "<|im_end|>"

SCRIPTS: Mapping[str, Sequence[str]] = {
    "say": ["Hello", " there", "."],
    "think": ["<think>", "hmm", "</think>", "Yes", ", indeed."],
    "call": [
        "<tool_call>",
        '\n{"name": "get_',
        'weather", ',
        '"arguments": {"city": ',
        '"Paris"}}',
        "\n</tool_call>",
    ],
    "both": [
        "<tool",
        '_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n',
        "</tool_call>",
        '\n<tool_call>\n{"name": "get_time", "arguments": {}}\n</tool',
        "_call>",
    ],
    "result": ["It is ", "sunny ", "in Paris."],
    "prose": ["Let me ", "see. ", '<tool_call>\n{"name": "get_time", "argum', 'ents": {}}\n', "</tool_call>\n"],
    "forced": ['{"name"', ': "get_time"', ', "arguments"', ": {}", "}"],
}
"""The answers by name, each as tokens that no other answer has."""

TOOLS_TEMPLATE = r"""
{%- if tools %}{{- '<|im_start|>system\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
{{- 'Functions:\n<tools>' }}
{%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\n</tools>\nCall them so:\n<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call><|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' %}{{- '<|im_start|>user\n' + message.content + '<|im_end|>\n' }}
{%- elif message.role == 'assistant' %}{{- '<|im_start|>assistant\n' }}
{%- if message.reasoning_content %}{{- '<think>\n' + message.reasoning_content + '\n</think>\n\n' }}{%- endif %}
{{- message.content if message.content else '' }}
{%- for tool_call in message.tool_calls %}
{%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
{{- '<tool_call>\n{"name": "' + tool_call.name + '", "arguments": ' }}{{- tool_call.arguments | tojson }}
{{- '}\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant' }}
{%- set last = messages[-1] %}
{%- if last.role == 'tool' %}{{- '<|result|>' }}
{%- elif tools and 'twice' in last.content %}{{- '<|both|>' }}
{%- elif tools and 'aloud' in last.content %}{{- '<|prose|>' }}
{%- elif tools and 'must' in last.content %}{{- '<|forced|>' }}
{%- elif tools %}{{- '<|call|>' }}
{%- elif enable_thinking is defined and enable_thinking %}{{- '<|think|>' }}
{%- else %}{{- '<|say|>' }}{%- endif %}{%- endif %}"""
PLAIN_TEMPLATE = r"""
{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant<|say|>' }}{%- endif %}"""
"""Shows no tools."""


def write_scripted_gguf(path: Path, template: str = TOOLS_TEMPLATE) -> Path:
    """Write the model with a chat template to `path`; return it."""
    tokens = ["<unk>", "<|im_start|>", _END, *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256]
    for name, pieces in SCRIPTS.items():
        tokens += [f"<|{name}|>", *pieces]
        kinds += [_CONTROL, *[_USER_DEFINED] * len(pieces)]
    assert len(set(tokens)) == len(tokens) <= WIDTH
    fields: dict[str, Any] = {
        "general.architecture": "llama",
        "llama.context_length": (_UINT32, 32768),
        "llama.embedding_length": (_UINT32, WIDTH),
        "llama.block_count": (_UINT32, 1),
        "llama.feed_forward_length": (_UINT32, _FEED_FORWARD),
        "llama.attention.head_count": (_UINT32, WIDTH // _HEAD),
        "llama.rope.dimension_count": (_UINT32, _HEAD),
        "llama.attention.layer_norm_rms_epsilon": (_FLOAT32, 1e-5),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": (_STRING, tokens),
        "tokenizer.ggml.scores": (_FLOAT32, [0.0] * len(tokens)),
        "tokenizer.ggml.token_type": (_INT32, kinds),
        "tokenizer.ggml.bos_token_id": (_UINT32, 1),
        "tokenizer.ggml.eos_token_id": (_UINT32, 2),
        "tokenizer.ggml.add_bos_token": (_BOOL, False),
        "tokenizer.ggml.add_space_prefix": (_BOOL, False),
        "tokenizer.chat_template": template,
    }
    _write(path, fields, _tensors(tokens))
    return path


def _tensors(tokens: Sequence[str]) -> dict[str, np.ndarray]:
    embedding, output = np.eye(len(tokens), WIDTH, dtype="<f4"), np.zeros((len(tokens), WIDTH), "<f4")
    for name, pieces in SCRIPTS.items():
        chain = [f"<|{name}|>", *pieces, _END]
        for before, after in pairwise(chain):
            output[tokens.index(after), tokens.index(before)] = 1
    square, wide = np.zeros((WIDTH, WIDTH), "<f4"), np.zeros((_FEED_FORWARD, WIDTH), "<f4")
    ones = np.ones(WIDTH, "<f4")
    layer = {"attn_norm": ones, "ffn_norm": ones, "ffn_gate": wide, "ffn_up": wide, "ffn_down": wide.T}
    layer |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), square)
    named = {"token_embd": embedding, "output_norm": ones, "output": output}
    named |= {f"blk.0.{name}": tensor for name, tensor in layer.items()}
    return {f"{name}.weight": np.ascontiguousarray(tensor) for name, tensor in named.items()}


def _write(path: Path, fields: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
    """Write version 3 of the format, whose source is ggml's `docs/gguf.md`: a header, the fields, then the tensors."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields))
    for name, value in fields.items():
        kind, given = (_STRING, value) if isinstance(value, str) else value
        values: list[Any] = given if isinstance(given, list) else [given]
        is_array = isinstance(given, list)
        head += _string(name) + (
            struct.pack("<IIQ", _ARRAY, kind, len(values)) if is_array else struct.pack("<I", kind)
        )
        head += b"".join(_value(kind, each) for each in values)
    offset = 0
    for name, tensor in tensors.items():
        shape = tensor.shape[::-1]
        head += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        offset += _padded(tensor.nbytes)
    with path.open("wb") as file:
        file.write(head.ljust(_padded(len(head)), b"\0"))
        for tensor in tensors.values():
            file.write(tensor.tobytes().ljust(_padded(tensor.nbytes), b"\0"))


def _value(kind: int, value: Any) -> bytes:
    if kind == _STRING:
        return _string(value)
    return struct.pack({_UINT32: "<I", _INT32: "<i", _FLOAT32: "<f", _BOOL: "<?"}[kind], value)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
