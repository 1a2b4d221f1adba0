"""What a language model can do, and whether it can obey a request. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from streamsrv.engines.addresses import is_here
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Message
from streamsrv.engines.model_entry import ModelEntry
from streamsrv.errors import UNSUPPORTED_PARAMETER, Rejected

IMAGE_NOT_SEEN = "(a picture that you cannot see)"
"""Takes the place of a picture, for a model that sees none."""


def abilities_of(entry: ModelEntry) -> ChatAbilities:
    """Return the abilities that a catalogue entry states; whether it is local follows from its address."""
    return ChatAbilities(
        context_tokens=entry.context_tokens,
        max_output_tokens=entry.max_output_tokens,
        calls_tools="calls_tools" in entry.abilities,
        sees_images="sees_images" in entry.abilities,
        efforts=entry.efforts,
        languages=entry.languages,
        is_local=is_here(entry),
    )


def obstacle(name: str, can: ChatAbilities, messages: Sequence[Message], options: ChatOptions) -> Rejected | None:
    """Return why a model with these abilities cannot obey a request; None: it can.

    It sees no images, calls no functions although one must be called, or cannot think as much or as little as asked.
    """
    if not can.sees_images and any(message.images for message in messages):
        return cannot_see(name)
    if not can.calls_tools and options.tool_choice not in ("auto", "none"):
        return Rejected(f"{name} cannot call functions.", code=UNSUPPORTED_PARAMETER, param="tool_choice")
    effort = options.reasoning_effort
    if effort is not None and can.efforts and effort not in can.efforts:
        why = "does not think" if can.efforts == ("none",) else "cannot think so much or so little"
        message = f"{name} {why}: 'reasoning_effort' {effort!r} is not supported; accepted: {', '.join(can.efforts)}."
        return Rejected(message, code=UNSUPPORTED_PARAMETER, param="reasoning_effort")
    return None


def cannot_see(name: str) -> Rejected:
    """Return the error of a request with a picture, for a model that sees none."""
    return Rejected(f"{name} cannot see images.", code=UNSUPPORTED_PARAMETER, param="messages")


def without_images(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with a note in the place of each picture."""
    return [_described(message) if message.images else message for message in messages]


def _described(message: Message) -> Message:
    texts = [message.content, *[IMAGE_NOT_SEEN] * len(message.images)]
    return replace(message, content=" ".join(text for text in texts if text), images=())


def stand_in_messages(can: ChatAbilities, messages: Sequence[Message]) -> Sequence[Message]:
    """Return the messages for a model that answers in place of another one: it need not see the pictures in them."""
    return messages if can.sees_images else without_images(messages)


def stand_in_options(can: ChatAbilities, options: ChatOptions) -> ChatOptions:
    """Return the options for a model that answers in place of another one.

    The effort was chosen for that one. A model that does not have it thinks as it always does: an answer with less
    thought is better than none.
    """
    if options.reasoning_effort is None or options.reasoning_effort in can.efforts:
        return options
    return replace(options, reasoning_effort=None)
