"""Puts the loaded language models together: one routed chat for those of the settings, and each one by its name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streamsrv.engines.breaker import Breakers
from streamsrv.engines.llm.abilities import abilities_of
from streamsrv.engines.llm.base import ChatAbilities, ChatModel
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.llm.routing.candidate import ASSUMED_STRENGTH, Candidate, Standing
from streamsrv.engines.llm.routing.latency import FirstTokens
from streamsrv.engines.llm.routing.policy import PolicyName, Rule
from streamsrv.engines.llm.routing.router import Router, pinned
from streamsrv.engines.llm.timed import TimedChatModel
from streamsrv.engines.metering.base import Unit
from streamsrv.engines.metering.prices import tariff_of
from streamsrv.engines.model_entry import ModelEntry

ROUTED = "auto"
"""Name of the chat whose requests go to one of several models."""


@dataclass(frozen=True, slots=True)
class ChatEntries:
    """The catalogue entries of a server's language models, by what they are for.

    `candidates`: one of them answers each request. `ruled`: answer requests that a rule gives them, and others if the
    candidates fail. `stand_ins`: answer if all else fails. `others`: clients may name them.
    """

    candidates: Sequence[ModelEntry]
    ruled: Sequence[ModelEntry] = ()
    stand_ins: Sequence[ModelEntry] = ()
    others: Sequence[ModelEntry] = ()


def assemble(
    models: Mapping[str, ChatModel],
    entries: ChatEntries,
    breakers: Breakers,
    times: FirstTokens,
    *,
    policy: PolicyName = "balanced",
    rules: Sequence[Rule] = (),
    patience_s: Mapping[str, float] | None = None,
) -> tuple[FallbackChatModel, Mapping[str, ChatModel]]:
    """Return the chat of clients that name no model, and the chats of those that do, by name.

    `models`: the loaded models of all entries, by name. A chat is named after its model, or `ROUTED` if it has several.
    `patience_s`: see `Members`.
    """
    timed = {name: TimedChatModel(model, times, breakers.clock) for name, model in models.items()}

    def standing(name: str) -> Standing:
        now_s = breakers.clock()
        return Standing(times.p95_s(name, now_s), is_left_out=not breakers.of("chat", name).admits(now_s))

    stand_ins = [candidate_of(entry) for entry in entries.stand_ins]
    behind = [timed[entry.name] for entry in entries.stand_ins]

    def chat_of(entry: ModelEntry) -> FallbackChatModel:
        own = [timed[entry.name], *(model for model in behind if model.name != entry.name)]
        return FallbackChatModel(own, breakers, choose=pinned(candidate_of(entry), stand_ins), patience_s=patience_s)

    first = [*entries.candidates, *entries.ruled]
    every = list(dict.fromkeys(entry.name for entry in (*first, *entries.stand_ins)))
    router = Router(
        [candidate_of(entry) for entry in entries.candidates],
        standing,
        policy=policy,
        rules=rules,
        ruled=[candidate_of(entry) for entry in entries.ruled],
        stand_ins=stand_ins,
    )
    is_routed = len(first) > 1
    chat = FallbackChatModel(
        [timed[name] for name in every],
        breakers,
        choose=router.choose,
        patience_s=patience_s,
        name=ROUTED if is_routed else "",
        abilities=combined([timed[entry.name].abilities for entry in entries.candidates]),
    )
    named = (*first, *entries.stand_ins, *entries.others)
    return chat, {entry.name: chat_of(entry) for entry in named} | {chat.name: chat}


def candidate_of(entry: ModelEntry) -> Candidate:
    """Return what is known about a language model: its entry, and the price book."""
    return Candidate(
        entry.name,
        abilities_of(entry),
        entry.strength or ASSUMED_STRENGTH,
        _price(entry, "input_tokens"),
        _price(entry, "output_tokens"),
    )


def combined(abilities: Sequence[ChatAbilities]) -> ChatAbilities:
    """Return what one or another of several models can do."""
    first, *others = abilities
    if not others:
        return first
    return ChatAbilities(
        context_tokens=_most(each.context_tokens for each in abilities),
        max_output_tokens=_most(each.max_output_tokens for each in abilities),
        calls_tools=any(each.calls_tools for each in abilities),
        sees_images=any(each.sees_images for each in abilities),
        efforts=tuple(dict.fromkeys(effort for each in abilities for effort in each.efforts)),
        languages=_union([each.languages for each in abilities]),
        is_local=all(each.is_local for each in abilities),
    )


def _most(limits: Iterable[int]) -> int:
    """Return the largest limit, of which 0 means that there is none."""
    known = list(limits)
    return 0 if 0 in known else max(known)


def _union(languages: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return all languages; if those of one model are not known, none."""
    return tuple(dict.fromkeys(code for known in languages for code in known)) if all(languages) else ()


def _price(entry: ModelEntry, unit: Unit) -> float | None:
    """Return the USD for a million tokens; None: not known. A model on servers of one's own costs nothing by itself."""
    price = tariff_of(entry)({unit: 1_000_000})
    if price is None and entry.needs_url:
        return 0.0
    return None if price is None else float(price)
