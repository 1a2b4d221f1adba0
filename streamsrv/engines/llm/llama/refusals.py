"""What models in llama.cpp refuse, and what its errors mean. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from streamsrv.engines.llm.abilities import obstacle
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Message, Tool
from streamsrv.errors import CONTEXT_LENGTH_EXCEEDED, UNSUPPORTED_PARAMETER, EngineError, Rejected, Unavailable

_LABELS = ("user", "safety_identifier", "prompt_cache_key", "metadata")
_WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {
    "store": (False,),
    "service_tier": ("auto", "default"),
}
"""Values that change nothing, because this engine works so anyway."""


def thinks(options: ChatOptions) -> bool:
    """Whether the model may think first, which a caller hears as silence, so that it must be asked for."""
    return options.reasoning_effort not in (None, "none")


def check_request(
    name: str, abilities: ChatAbilities, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
) -> None:
    """Refuse what this model cannot do. Labels of a request (`user`, `metadata`) change no answer anywhere."""
    if (refusal := obstacle(name, abilities, messages, options)) is not None:
        raise refusal
    known = [tool.name for tool in tools]
    if options.tool_choice not in ("auto", "none") and not (known and options.tool_choice in ("required", *known)):
        accepted = f"accepted: {', '.join(('auto', 'none', 'required', *known))}" if known else "no tools"
        raise Rejected(f"'tool_choice' is {options.tool_choice!r}; {accepted}.", param="tool_choice")
    if thinks(options) and not abilities.efforts:
        message = f"{name} does not support 'reasoning_effort' {options.reasoning_effort!r}: it does not think."
        raise Rejected(message, code=UNSUPPORTED_PARAMETER, param="reasoning_effort")
    for field, value in options.provider_fields.items():
        if field not in _LABELS and value not in _WITHOUT_EFFECT.get(field, ()):
            message = f"{name} does not support '{field}': {value!r:.60}."
            raise Rejected(message, code=UNSUPPORTED_PARAMETER, param=field)


def engine_error(error: Mapping[str, Any]) -> EngineError:
    """Return what an error object of llama.cpp means."""
    message = f"llama.cpp: {error.get('message')}"
    if error.get("type") == "exceed_context_size_error":
        read, limit = error.get("n_prompt_tokens"), error.get("n_ctx")
        message = f"The maximum context length of this model is {limit} tokens; the messages are {read} tokens long."
        return Rejected(message, code=CONTEXT_LENGTH_EXCEEDED, param="messages")
    return Rejected(message) if error.get("code") == 400 else Unavailable(message)
