"""Reads the voices that a server lists at `GET /v1/audio/voices`. Pure.

OpenAI's API has no such list. streamsrv has `{"data": [{"id": ..., "streamsrv": {...}}]}`; Kokoro-FastAPI, vLLM and
others have `{"voices": [...]}` of names or of objects with `id` or `name`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from streamsrv.engines.tts.base import Voice
from streamsrv.protocol.openai_voices import OPENAI_VOICES
from streamsrv.text.languages import normalize_language

_MAX_VOICES = 1_000
_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class VoiceList:
    """The voices of a server, the default one first. `is_streamsrv`: the server takes the field `language`."""

    voices: tuple[Voice, ...]
    is_streamsrv: bool = False


def named_voice(name: str, languages: frozenset[str] = frozenset()) -> Voice:
    """Return a voice of which only the name is known; how OpenAI's voices sound is known, too."""
    return Voice(name, languages, gender=_gender(OPENAI_VOICES.get(name)))


def read_voices(answer: Any) -> VoiceList:
    """Return the voices of an answer; none if it is no list of voices. Cloned voices belong to keys, so not to all."""
    found: dict[str, Voice] = {}
    is_streamsrv = False
    for entry in _entries(answer):
        fields = _table(entry)
        if "streamsrv" in fields:
            is_streamsrv = True
            details = _table(fields["streamsrv"])
            if not details.get("cloned") and details.get("ready", True):
                _add(found, fields.get("id"), details)
        else:
            _add(found, next((fields[key] for key in ("id", "voice_id", "name") if key in fields), entry), {})
    return VoiceList(tuple(found.values()), is_streamsrv)


def _entries(answer: Any) -> Iterator[Any]:
    fields = _table(answer)
    entries: Any = fields.get("data", fields.get("voices", answer))
    if isinstance(entries, list):
        yield from cast("list[Any]", entries)[:_MAX_VOICES]


def _table(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _add(found: dict[str, Voice], name: object, details: Mapping[str, Any]) -> None:
    if not isinstance(name, str) or not name.strip() or len(name) > _MAX_CHARS:
        return
    codes = details.get("languages")
    listed: list[Any] = cast("list[Any]", codes) if isinstance(codes, list) else []
    languages = frozenset(code for each in listed if isinstance(each, str) and (code := normalize_language(each)))
    description = details.get("description")
    known = named_voice(name)
    found[name] = Voice(
        name,
        languages,
        description[:_MAX_CHARS] if isinstance(description, str) else "",
        _gender(details.get("gender")) or known.gender,
    )


def _gender(value: object) -> Literal["female", "male", ""]:
    match value:
        case "female":
            return "female"
        case "male":
            return "male"
        case _:
            return ""
