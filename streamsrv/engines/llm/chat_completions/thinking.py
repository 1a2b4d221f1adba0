"""Says to a server how much to think, in the field that it understands. Pure.

Sources: OpenAI's, Google's and DeepSeek's API references, and the request models of vLLM and Ollama.
"""

from collections.abc import Mapping
from typing import Any, Literal

ThinkingSwitch = Literal["effort", "thinking_type", "template:thinking", "template:enable_thinking"]
"""`effort`: `reasoning_effort` (OpenAI, Gemini, Ollama, Groq, OpenRouter, ...).

`thinking_type`: `thinking` with the type `enabled` or `disabled`, and `reasoning_effort` (DeepSeek).

`template:NAME`: an argument of the chat template, which is on or off (DeepSeek-V3 and hybrid Qwen3 models on vLLM,
SGLang and llama.cpp).
"""

_OF_DEEPSEEK = {"minimal": "low", "medium": "high", "xhigh": "max"}
"""Its names of efforts that have other names here, or that it does not have."""
_HIGH_EFFORTS = ("medium", "high", "xhigh")


def thinking_fields(switch: ThinkingSwitch, effort: str) -> dict[str, Any]:
    """Return the fields of a request for an effort; an empty effort leaves it to the server."""
    if not effort:
        return {}
    thinks = effort != "none"
    match switch:
        case "effort":
            return {"reasoning_effort": effort}
        case "thinking_type":
            state = {"thinking": {"type": "enabled" if thinks else "disabled"}}
            return state | ({"reasoning_effort": _OF_DEEPSEEK.get(effort, effort)} if thinks else {})
        case _:
            return {"chat_template_kwargs": {switch.partition(":")[2]: thinks}}


def merged(fields: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of both; `others` count where both have one, and in tables within."""
    result = dict(fields)
    for name, value in others.items():
        known = result.get(name)
        both = isinstance(known, dict) and isinstance(value, Mapping)
        result[name] = merged(known, value) if both else value  # type: ignore[arg-type]  # JSON objects
    return result


def is_silent_for_long(effort: str) -> bool:
    """Whether a model with this effort may think for longer than another answer takes, without sending anything."""
    return effort in _HIGH_EFFORTS
