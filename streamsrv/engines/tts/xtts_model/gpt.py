"""XTTS's GPT for many streams at once: a static cache of keys and values, and a position for each stream.

It has the weights of the model's own class and gives the same tokens. That class grows its cache, and launches hundreds
of small kernels for each token of each stream; here one step of fixed shape serves all streams, so that a GPU can run
it as one graph. Imported only in the engine's process. Not thread-safe.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import ceil
from typing import Any

from streamsrv.engines.tts.xtts_model.graphs import Graphs, sizes_up_to

torch: Any = import_module("torch")
functional: Any = torch.nn.functional

STREAMS = (1, 2, 4, 8, 16, 32, 64, 96, 128)
SPANS = (256, 512)
PROMPTS = (64, 128, 256)
"""Numbers of streams, of positions that are attended to, and of rows of a prompt: for each there is a graph."""
ALIGNMENT = 8
"""What the number of positions must be a multiple of for the quick kernels of attention."""
PREFIX_TOKEN = 1
"""The token that stands for the prompt in the model's own loop, where the repetition penalty takes it as spoken."""
MARGIN = 64
"""Latents behind the last one of a stream, so that a window of the vocoder may reach beyond it."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen from the logits, as by the processors of transformers with these names."""

    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float

    def choose(self, logits: Any, seen: Any) -> Any:
        """Return a token for each row of `logits` (rows, vocabulary), float32. `seen`: which ones each row had."""
        penalised = torch.where(logits < 0, logits * self.repetition_penalty, logits / self.repetition_penalty)
        scores = torch.where(seen, penalised, logits) / self.temperature
        best, tokens = torch.topk(scores, min(self.top_k, scores.shape[-1]))
        shares = torch.softmax(best, -1)
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= self.top_p, 0.0)
        drawn = (shares / torch.empty_like(shares).exponential_()).argmax(-1, keepdim=True)
        return tokens.gather(1, drawn)[:, 0]


class SpeechGpt:
    """The GPT of a loaded `Xtts` with `slots` streams. All methods block and run under `torch.inference_mode`."""

    def __init__(self, gpt: Any, *, slots: int, dtype: Any, sampling: Sampling, graphs: Graphs) -> None:
        self.stop_token: int = gpt.stop_audio_token
        self.max_tokens: int = gpt.max_gen_mel_tokens
        self.max_text_tokens: int = gpt.max_text_tokens - 3
        """What the model's own code accepts."""
        self._gpt, self._sampling, self._graphs, self._dtype = gpt, sampling, graphs, dtype
        self._take_weights(gpt)
        device = gpt.mel_head.weight.device
        prompt = gpt.max_prompt_tokens + gpt.max_text_tokens + 1
        self._longest = ceil((prompt + self.max_tokens) / ALIGNMENT) * ALIGNMENT
        self._prompts = sizes_up_to(prompt, PROMPTS)
        shape = (len(self._layers), slots, self._heads, self._longest, self._head_width)
        self._keys, self._values = (torch.zeros(shape, dtype=dtype, device=device) for _ in range(2))
        zeros = partial(torch.zeros, device=device)
        self._token, self._position, self._count, self._live = (zeros(slots, dtype=torch.long) for _ in range(4))
        self._seen = zeros(slots, self._embedding.shape[0], dtype=torch.bool)
        self.latents: Any = zeros(slots, self.max_tokens + MARGIN, self._width, dtype=dtype)
        """What the vocoder makes audio of: slots by tokens by width."""
        self._range = torch.arange(max(self._longest, slots), device=device)
        self._at_first = zeros(1, self._embedding.shape[0], dtype=torch.bool)
        self._at_first[0, [PREFIX_TOKEN, gpt.start_audio_token]] = True
        self._positions = [0] * slots
        """Of the streams, on the host; 0: nobody uses the slot."""
        self._reading = {rows: _Prompt(rows, self) for rows in self._prompts}
        self._steps: dict[tuple[int, int], Callable[[], None]] = {}
        self._slots = slots

    def warm_up(self) -> None:
        """Capture all graphs. Call it once, before anything else."""
        for streams in sizes_up_to(self._slots, STREAMS):
            for span in sizes_up_to(self._longest, SPANS):
                self._steps[streams, span] = self._graphs.capture(partial(self._decode, streams, span))
        for prompt in self._reading.values():
            prompt.run = self._graphs.capture(prompt.run)

    def begin(self, slot: int, conditioning: Any, text: Sequence[int]) -> int:
        """Read a prompt into a free slot and return the first token. `conditioning`: (1, rows, width) of the voice."""
        embedded = self._embed(conditioning, text)
        length = len(embedded)
        prompt = self._reading[next(rows for rows in self._prompts if rows >= length)]
        prompt.rows[:length] = embedded
        prompt.last.fill_(length - 1)
        prompt.run()
        self._keys[:, slot, :, : prompt.size] = prompt.keys
        self._values[:, slot, :, : prompt.size] = prompt.values
        self.latents[slot, 0] = prompt.latent
        self._seen[slot] = self._at_first[0]
        self._seen[slot, prompt.token[0]] = True
        self._token[slot] = prompt.token[0]
        self._position[slot], self._count[slot], self._live[slot] = length, 1, 1
        self._positions[slot] = length
        return int(prompt.token[0])

    def step(self) -> Mapping[int, int]:
        """Return the next token of each stream that is not halted, by slot."""
        live = [slot for slot, position in enumerate(self._positions) if position]
        if not live:
            return {}
        streams = next(size for size in sizes_up_to(self._slots, STREAMS) if size > live[-1])
        needed = max(self._positions) + 1
        self._steps[streams, next(span for span in sizes_up_to(self._longest, SPANS) if span >= needed)]()
        tokens: list[int] = self._token[:streams].tolist()
        for slot in live:
            self._positions[slot] += 1
        return {slot: tokens[slot] for slot in live}

    def halt(self, slot: int) -> None:
        """Make no more tokens in a slot. Its latents stay until the next `begin`."""
        self._positions[slot] = 0
        self._live[slot] = 0

    def _take_weights(self, gpt: Any) -> None:
        def taken(module: Any) -> tuple[Any, Any]:
            return module.weight.detach().to(self._dtype), module.bias.detach().to(self._dtype)

        blocks = gpt.gpt.h
        self._heads: int = blocks[0].attn.num_heads
        self._head_width: int = blocks[0].attn.head_dim
        self._width = self._heads * self._head_width
        self._layers = [
            tuple(map(taken, (b.ln_1, b.attn.c_attn, b.attn.c_proj, b.ln_2, b.mlp.c_fc, b.mlp.c_proj))) for b in blocks
        ]
        self._norms = taken(gpt.gpt.ln_f), taken(gpt.final_norm)
        self._head = taken(gpt.mel_head)
        self._embedding = gpt.mel_embedding.weight.detach().to(self._dtype)
        self._places = gpt.mel_pos_embedding.emb.weight.detach().to(self._dtype)

    def _embed(self, conditioning: Any, text: Sequence[int]) -> Any:
        """Return the rows of a prompt: the voice, the text between its marks, and the mark where audio begins."""
        gpt = self._gpt
        ids = torch.tensor([[gpt.start_text_token, *text, gpt.stop_text_token]], device=conditioning.device)
        words = gpt.text_embedding(ids) + gpt.text_pos_embedding(ids)
        start = self._embedding[gpt.start_audio_token] + self._places[0]
        return torch.cat([conditioning[0].to(self._dtype), words[0].to(self._dtype), start[None]])

    def _decode(self, streams: int, span: int) -> None:
        """One step of the first slots, which attends to the first `span` positions."""
        rows, position = self._range[:streams], self._position[:streams]
        count = self._count[:streams]
        x = self._embedding[self._token[:streams]] + self._places[count]
        hidden = self._range[:span] > position[:, None]
        mask = torch.zeros(streams, 1, 1, span, dtype=self._dtype, device=x.device)
        mask = mask.masked_fill(hidden[:, None, None], float("-inf"))

        def attend(layer: int, query: Any, key: Any, value: Any) -> Any:
            keys, values = self._keys[layer, :streams], self._values[layer, :streams]
            keys[rows, :, position] = key
            values[rows, :, position] = value
            found = functional.scaled_dot_product_attention(
                query.unsqueeze(2), keys[:, :, :span], values[:, :, :span], attn_mask=mask
            )
            return found.reshape(streams, self._width)

        latent, token = self._finish(self._run(x, attend), self._seen[:streams])
        live = self._live[:streams]
        self.latents[rows, count] = latent
        self._seen[:streams].scatter_(1, token[:, None], True)
        self._token[:streams] = token
        self._position[:streams] += live
        self._count[:streams] += live

    def read(self, rows: Any, keys: Any, values: Any) -> Any:
        """Return the hidden states of a prompt's rows, and write their keys and values (layers, heads, rows, width)."""

        def attend(layer: int, query: Any, key: Any, value: Any) -> Any:
            query, key, value = (each.transpose(0, 1) for each in (query, key, value))
            keys[layer], values[layer] = key, value
            found = functional.scaled_dot_product_attention(query[None], key[None], value[None], is_causal=True)
            return found[0].transpose(0, 1).reshape(len(rows), self._width)

        return self._run(rows, attend)

    def _run(self, x: Any, attend: Callable[[int, Any, Any, Any], Any]) -> Any:
        """Run rows (rows, width) through all blocks."""
        shape = (self._width,)
        for layer, (norm, mix, project, norm_2, widen, narrow) in enumerate(self._layers):
            mixed = torch.addmm(mix[1], functional.layer_norm(x, shape, *norm), mix[0])
            query, key, value = mixed.view(-1, 3, self._heads, self._head_width).unbind(1)
            x = x + torch.addmm(project[1], attend(layer, query, key, value), project[0])
            wide = torch.addmm(widen[1], functional.layer_norm(x, shape, *norm_2), widen[0])
            x = x + torch.addmm(narrow[1], functional.gelu(wide, approximate="tanh"), narrow[0])
        return x

    def _finish(self, x: Any, seen: Any) -> tuple[Any, Any]:
        """Return the latents of rows that have passed all blocks, and the next tokens."""
        for norm in self._norms:
            x = functional.layer_norm(x, (self._width,), *norm)
        return x, self._sampling.choose(functional.linear(x, *self._head).float(), seen)

    def first_token(self, row: Any) -> tuple[Any, Any]:
        """Return the latent and the token that follow a prompt, from the hidden state of its last row (1, width)."""
        return self._finish(row, self._at_first)

    def room_for_prompt(self, rows: int) -> tuple[Any, Any, Any]:
        """Return zeros for a prompt's rows, keys and values."""
        layers = (len(self._layers), self._heads, rows, self._head_width)
        return tuple(torch.zeros(shape, dtype=self._dtype, device=self._keys.device) for shape in (
            (rows, self._width), layers, layers
        ))  # fmt: skip


class _Prompt:
    """Reads a prompt of at most `size` rows. What is behind the last one changes nothing: attention is causal."""

    def __init__(self, size: int, gpt: SpeechGpt) -> None:
        self.size = size
        self.rows, self.keys, self.values = gpt.room_for_prompt(size)
        device = self.rows.device
        self.last = torch.zeros(1, dtype=torch.long, device=device)
        self.latent = torch.zeros_like(self.rows[0])
        self.token = torch.zeros(1, dtype=torch.long, device=device)
        self._gpt = gpt
        self.run: Callable[[], None] = self._read

    def _read(self) -> None:
        hidden = self._gpt.read(self.rows, self.keys, self.values)
        latent, token = self._gpt.first_token(hidden.index_select(0, self.last))
        self.latent.copy_(latent[0])
        self.token.copy_(token)
