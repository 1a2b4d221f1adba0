"""Checks the replacement list of a caption room. Pure."""

from msgspec import UnsetType

from streamsrv.protocol.errors import invalid
from streamsrv.protocol.session_object import CaptionOptions
from streamsrv.text.replacements import MAX_TOKENS, Replacement

_PARAM = "session.streamsrv.captions.replacements"


def check_replacements(captions: CaptionOptions | None) -> None:
    """Refuse entries that replace nothing, too many words, or the words of an earlier entry."""
    if captions is None or isinstance(captions.replacements, UnsetType):
        return
    places: dict[tuple[bool, tuple[str, ...]], int] = {}
    for index, given in enumerate(captions.replacements):
        param, tokens = f"{_PARAM}[{index}].from", Replacement(given.source, given.to, given.match_case).tokens
        if not tokens:
            raise invalid(given.source, param, "it is blank")
        if len(tokens) > MAX_TOKENS:
            accepted = f"{MAX_TOKENS // 2} words, or {MAX_TOKENS} characters of a script without spaces"
            raise invalid(given.source, param, f"it is too long; at most {accepted} are accepted")
        earlier = places.setdefault((given.match_case, tokens), index)
        if earlier != index:
            raise invalid(given.source, param, f"entry {earlier} has the same words")
