"""How a session speaks: what the language model is told so that it can be spoken, and what is said in a wait. Pure."""

from dataclasses import dataclass

from streamsrv.text.languages import LANGUAGE_NAMES, normalize_language

LANGUAGE = "{language}"
"""Stands in a preface for the language of the user."""
ANY_LANGUAGE = "the user's language"
"""Takes its place where the client does not name one: the model sees in which language it is asked."""


@dataclass(frozen=True, slots=True)
class VoiceManners:
    """What the operator wants of spoken answers. Without arguments: nothing."""

    preface: str = ""
    """Precedes the instructions of every spoken answer; written answers have no preface."""
    apology: str = ""
    """Is said in place of a spoken answer that fails, or of the rest of it; empty: nothing."""
    fillers: tuple[str, ...] = ()
    """Said one after the other while the user waits for the result of a function or tool."""
    filler_after_ms: int = 2000
    """How long it is quiet before the first one; before each further one, twice as long."""

    def instructions(self, own: str, language: str | None = None) -> str:
        """Return what the model is told for a spoken answer: the preface, then the session's own instructions.

        `language`: as the client names it. The preface comes first and changes with nothing else, so that it stays in
        the caches of models.
        """
        name = LANGUAGE_NAMES.get(normalize_language(language or "") or "", ANY_LANGUAGE)
        return "\n\n".join(filter(None, [self.preface.replace(LANGUAGE, name), own]))
