"""What the catalogue says about the abilities of a language model. Pure."""

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.base import ChatAbilities


def abilities_of(entry: ModelEntry) -> ChatAbilities:
    """Return the abilities that a catalogue entry states."""
    return ChatAbilities(
        context_tokens=entry.context_tokens,
        max_output_tokens=entry.max_output_tokens,
        calls_tools="calls_tools" in entry.abilities,
        sees_images="sees_images" in entry.abilities,
        efforts=entry.efforts,
        languages=entry.languages,
        is_local=entry.hardware != "remote",
    )
