"""What a session or a request asks of speech recognition, and whether a recogniser can do it. Pure.

The functions that check raise `ProtocolError`. A `Path` gives the place of an option in the client's object.
"""

import re
from collections.abc import Callable, Sequence

from msgspec import structs

from streamsrv.engines.asr.base import Abilities, RecognitionOptions, Task
from streamsrv.protocol.errors import MAX_QUOTED, ProtocolError, invalid
from streamsrv.protocol.session_object import LOGPROBS, AudioInput, Session, Transcription
from streamsrv.text.languages import normalize_language

MAX_KEYWORDS = 100
MAX_KEYWORD = 50
"""Characters in a keyword. AssemblyAI takes no longer ones, and every recogniser takes the same."""
MAX_LANGUAGES = 20

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""The same without tabs and line breaks."""

Path = Callable[[str], str]
_SESSION_PATHS = {"logprobs": "session.include", "task": "session.streamsrv.captions.translate"}


def session_path(option: str) -> str:
    """Return the place of an option in a session."""
    return _SESSION_PATHS.get(option, f"session.audio.input.transcription.{option}")


def task_of(session: Session) -> Task:
    return "transcribe" if session.translates_to is None else "translate"


def wants_logprobs(session: Session) -> bool:
    return LOGPROBS in (session.include or ())


def recognition_options(session: Session) -> RecognitionOptions:
    """Return what a session asks of its recogniser."""
    asked = session.audio.input.transcription or Transcription()
    return engine_options(asked, task_of(session), logprobs=wants_logprobs(session))


def engine_options(asked: Transcription, task: Task = "transcribe", *, logprobs: bool = False) -> RecognitionOptions:
    """Return checked options as engines take them. If only one language may be spoken, it is spoken."""
    one = asked.languages[0] if len(asked.languages) == 1 else None
    return RecognitionOptions(
        language=asked.language or one,
        languages=() if one else tuple(asked.languages),
        prompt=asked.prompt or "",
        keywords=tuple(asked.keywords),
        task=task,
        logprobs=logprobs,
    )


def chosen_model(options: AudioInput) -> str:
    """Return the name of the session's recogniser; empty: the default one."""
    return (options.transcription.model or "") if options.transcription is not None else ""


def well_formed(asked: Transcription, path: Path) -> Transcription:
    """Return the options with languages as ISO 639-1 codes, and without repetitions."""
    if found := _CONTROL_IN_TEXT.search(asked.prompt or ""):
        raise invalid(ascii(found[0]), path("prompt"), "it has a control character")
    return structs.replace(
        asked,
        language=None if asked.language is None else _code(asked.language, path("language")),
        languages=_languages(asked, path),
        keywords=_keywords(asked.keywords, path("keywords")),
    )


def check_abilities(
    model: str,
    abilities: Abilities,
    asked: Transcription,
    path: Path,
    able: Callable[[str], Sequence[str]] = lambda _: (),
    *,
    logprobs: bool,
) -> None:
    """Refuse options that the recogniser `model` cannot use; its languages and its task are checked elsewhere.

    `able` names the recognisers that have one of the `Abilities`, for the error.
    """

    def refused(option: str, value: str, reason: str, ability: str) -> ProtocolError:
        others = ", ".join(f"'{name}'" for name in able(ability))
        instead = f", or one of these recognisers: {others}" if others else ""
        return invalid(value, path(option), f"the recogniser '{model}' {reason}{instead}")

    if asked.prompt and not abilities.prompt:
        raise refused("prompt", asked.prompt, "takes no prompt; accepted is ''", "prompt")
    if asked.keywords and not abilities.keywords:
        raise refused("keywords", asked.keywords[0], "takes no keywords; accepted is []", "keywords")
    if len(asked.languages) > 1 and not abilities.detects_language:
        given, reason = ", ".join(asked.languages), "does not find out which language is spoken; accepted is one"
        raise refused("languages", given, reason, "detects_language")
    if logprobs and not abilities.logprobs:
        raise refused("logprobs", "logprobs", "gives no log probabilities; accepted is []", "logprobs")


def _code(given: str, param: str) -> str:
    code = normalize_language(given)
    if code is None:
        reason = "it names no language; accepted is an ISO 639-1 code, a tag such as 'en-US', or a name"
        raise invalid(given, param, reason)
    return code


def _languages(asked: Transcription, path: Path) -> list[str]:
    given, param = asked.languages, path("languages")
    _check_count(given, MAX_LANGUAGES, param)
    if given and asked.language is not None:
        reason = f"'{path('language')}' is '{asked.language[:MAX_QUOTED]}'; only one of the two is accepted"
        raise invalid(", ".join(given), param, reason)
    return list(dict.fromkeys(_code(language, f"{param}[{index}]") for index, language in enumerate(given)))


def _keywords(given: Sequence[str], param: str) -> list[str]:
    _check_count(given, MAX_KEYWORDS, param)
    for index, keyword in enumerate(given):
        at = f"{param}[{index}]"
        if not keyword.strip():
            raise invalid(keyword, at, "it is blank")
        if len(keyword) > MAX_KEYWORD:
            raise invalid(keyword, at, f"it has {len(keyword)} characters; at most {MAX_KEYWORD} are accepted")
        if found := _CONTROL.search(keyword):
            raise invalid(ascii(found[0]), at, "it has a control character")
    return list(dict.fromkeys(keyword.strip() for keyword in given))


def _check_count(given: Sequence[str], most: int, param: str) -> None:
    if len(given) > most:
        raise invalid(f"{len(given)} entries", param, f"at most {most} are accepted")
