"""Makes a conversation one that a model can answer. Pure."""

from collections.abc import Sequence

from streamsrv.engines.llm.base import Message


def answerable(messages: Sequence[Message]) -> list[Message]:
    """Return the messages, with a placeholder user message at the end if there is nothing to answer.

    A session may let the assistant speak first, or twice in a row. Most chat templates, and Gemini, refuse a context
    without a user message. llama.cpp and Ollama continue a last message of the assistant instead of starting a new one.
    """
    if all(message.role == "system" for message in messages):
        return [*messages, Message("user", "Hello!")]
    if messages[-1].role == "assistant":
        return [*messages, Message("user", "(silence)")]
    return list(messages)
