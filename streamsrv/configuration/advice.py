"""Finds settings that have no effect together with the others, or that leave a hole."""

from collections.abc import Mapping
from decimal import Decimal

from streamsrv.configuration.reading import Configuration
from streamsrv.engines.absent import ABSENT
from streamsrv.engines.catalogue import DEFAULT_MODELS
from streamsrv.engines.selection import AUTO
from streamsrv.settings import Settings

MODELS_OF_A_WHOLE_SERVER = (
    "vad", "turn", "turn_words", "recognizer", "recognizer_by_language", "recognizer_memory", "chat", "chat_policy",
    "chat_rule", "chat_urls", "chat_fallback", "chat_patience_ms", "synthesizer", "synthesizer_by_language",
)  # fmt: skip
"""Settings of models that a server with a single model does not load."""


def advice(configuration: Configuration, environ: Mapping[str, str]) -> list[str]:
    """Return a line for each setting that was given in vain, with its reason."""
    settings = configuration.settings
    reasons = {**_without_turn_server(settings), **_without_keys(settings), **_without_rooms(settings)}
    reasons |= {**_beyond_totals(settings), **_without_another_model(settings)}
    reasons |= {**_without_recognition(settings), **_without_speech(settings), **_without_limits_of_cost(settings)}
    reasons |= {**_beside_a_single_model(settings), **_without_telephone_calls(settings)}
    lines = [
        f"{configuration.origin(name)}: {name} {what}"
        for name, what in reasons.items()
        if name in configuration.origins and getattr(settings, name) != Settings.model_fields[name].default
    ]
    lines += _retired_models(configuration)
    if settings.turn_server and not (settings.turn_username and settings.turn_password):
        lacking = [name for name in ("turn_username", "turn_password") if not getattr(settings, name)]
        where = configuration.origin("turn_server")
        lines.append(f"{where}: turn_server is used without {' and '.join(lacking)}, which most relays refuse")
    if "*" in settings.allowed_origins and len(settings.allowed_origins) > 1:
        where = configuration.origin("allowed_origins")
        lines.append(f"{where}: allowed_origins has '*', so its other origins have no effect")
    lines += _of_telephone_agents(configuration, environ)
    if environ.get("STREAMSRV_KEY") and not settings.api_keys:
        lines.append("variable STREAMSRV_KEY is the key of a client; the keys of this server are STREAMSRV_API_KEYS")
    return lines


def _of_telephone_agents(configuration: Configuration, environ: Mapping[str, str]) -> list[str]:
    """Return a line for each field of a `[[phone_number]]` table that has no effect, or lacks a secret."""
    settings = configuration.settings
    begins_calls = any(provider.outbound for provider in settings.phone_provider)
    lines: list[str] = []
    for number in settings.phone_number:
        where = f"{configuration.origin('phone_number')}: {number.agent_name!r}"
        name = number.application_secret_variable
        if name and not environ.get(name):
            lines.append(f"{where}: {name} has no secret, so its application cannot be asked")
        if number.voicemail and not begins_calls:
            lines.append(f"{where}: voicemail has no effect: no [[phone_provider]] table has outbound = true")
    return lines


def _without_telephone_calls(settings: Settings) -> dict[str, str]:
    reasons: dict[str, str] = {}
    if settings.audiosocket_port is None:
        names = ("audiosocket_host", "audiosocket_peers", "audiosocket_announced")
        reasons |= dict.fromkeys(names, "has no effect without audiosocket_port")
    if not settings.phone_provider:
        reasons["public_url"] = "has no effect without a [[phone_provider]] table"
    if not any(number.record for number in settings.phone_number):
        reasons["recording_folder"] = "has no effect: no [[phone_number]] table has record = true"
    return reasons


def _retired_models(configuration: Configuration) -> list[str]:
    """Return a line for each model of the settings that another one serves now."""
    settings = configuration.settings
    single = ("vad", "turn", "turn_words", "chat_fallback")
    chosen: dict[str, tuple[str, ...]] = {name: (getattr(settings, name),) for name in single}
    chosen = {"chat": settings.chat} | chosen
    chosen |= {"recognizer": settings.recognizer, "synthesizer": settings.synthesizer}
    for setting in ("recognizer_by_language", "synthesizer_by_language"):
        chains: Mapping[str, tuple[str, ...]] = getattr(settings, setting)
        chosen[setting] = tuple(name for chain in chains.values() for name in chain)
    return [
        f"{configuration.origin(setting)}: {setting} names {name}, which its provider has retired: {entry.successor} "
        "serves it"
        for setting, names in chosen.items()
        for name in names
        if (entry := configuration.catalogue.get(name)) is not None and entry.successor
    ]


def _without_turn_server(settings: Settings) -> dict[str, str]:
    if settings.turn_server:
        return {}
    return dict.fromkeys(("turn_username", "turn_password"), "has no effect without turn_server")


def _without_keys(settings: Settings) -> dict[str, str]:
    if settings.api_keys:
        return {}
    limits = ("max_sessions_per_key", "max_requests_per_key", "responses_per_minute_per_key")
    per_key = (*limits, "max_cost_per_key_per_day")
    return {
        "captions_public": "has no effect without api_keys: captions can be read without a key anyway",
        **dict.fromkeys(per_key, "without api_keys limits all clients together, as if they had one key"),
    }


def _without_rooms(settings: Settings) -> dict[str, str]:
    if settings.caption_rooms and settings.caption_viewers:
        return {}
    zero = "caption_viewers" if settings.caption_rooms else "caption_rooms"
    others = {"caption_viewers", "caption_folder", "caption_keep_minutes", "captions_public"} - {zero}
    return dict.fromkeys(sorted(others), f"has no effect while {zero} is 0")


def _without_recognition(settings: Settings) -> dict[str, str]:
    if settings.recognizer != (ABSENT,):
        return {}
    return dict.fromkeys(("recognizer_by_language", "recognizer_memory"), f"has no effect while recognizer is {ABSENT}")


def _without_speech(settings: Settings) -> dict[str, str]:
    if settings.synthesizer != (ABSENT,):
        return {}
    return {"synthesizer_by_language": f"has no effect while synthesizer is {ABSENT}"}


def _beside_a_single_model(settings: Settings) -> dict[str, str]:
    if settings.only is None:
        return {}
    return dict.fromkeys(MODELS_OF_A_WHOLE_SERVER, f"has no effect while only is {settings.only}")


def _without_limits_of_cost(settings: Settings) -> dict[str, str]:
    limits = _limits_of_cost(settings)
    if any(limit is not None for limit in limits.values()):
        return {}
    return dict.fromkeys(("cost_warn_at", "cost_save_at"), f"has no effect without one of {', '.join(limits)}")


def _without_another_model(settings: Settings) -> dict[str, str]:
    only = settings.chat[0] if len(settings.chat) == 1 else AUTO
    if only == AUTO or only not in (settings.chat_fallback, DEFAULT_MODELS["chat"]):
        return {}
    return {"chat_fallback": f"has no effect while chat is {only}"}


def _beyond_totals(settings: Settings) -> dict[str, str]:
    """The limits of a key that are not below the limit of the whole server."""
    reasons: dict[str, str] = {}
    for name in ("max_sessions", "max_requests"):
        per_key, total = getattr(settings, f"{name}_per_key"), getattr(settings, name)
        if per_key is not None and per_key > total:
            reasons[f"{name}_per_key"] = f"has no effect: it is {per_key}, and {name} is {total}"
    of_cost = _limits_of_cost(settings)
    for name, total in (("max_cost_per_session", "max_cost_per_day"), ("max_cost_per_key_per_day", "max_cost_per_day")):
        if (limit := of_cost[name]) is not None and (whole := of_cost[total]) is not None and limit > whole:
            reasons[name] = f"has no effect: it is {limit:f}, and {total} is {whole:f}"
    return reasons


def _limits_of_cost(settings: Settings) -> Mapping[str, Decimal | None]:
    """Return the limits of cost by the names of their settings; None: there is none."""
    return {
        "max_cost_per_session": settings.max_cost_per_session,
        "max_cost_per_key_per_day": settings.max_cost_per_key_per_day,
        "max_cost_per_day": settings.max_cost_per_day,
    }
