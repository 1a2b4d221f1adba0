"""The voices of OpenAI's Realtime and speech APIs."""

from collections.abc import Mapping

OPENAI_VOICES: Mapping[str, str] = {
    "alloy": "female", "ash": "male", "ballad": "male", "cedar": "male", "coral": "female", "echo": "male",
    "fable": "male", "juniper": "female", "marin": "female", "nova": "female", "onyx": "male", "sage": "female",
    "shimmer": "female", "verse": "male",
}  # fmt: skip
"""The names of OpenAI's voices, which stock clients send, and how those sound."""
