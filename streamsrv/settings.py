"""Declares and validates the settings. `configuration` reads them from flags, variables and files."""

import os
from collections import Counter
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from streamsrv.phone_settings import PhoneSettings
from streamsrv.setting_values import (
    MAX_MINUTES,
    MAX_PORT,
    Accepted,
    Count,
    CountOrZero,
    Folder,
    Ledger,
    Minutes,
    ModelChain,
    ModelName,
    Share,
    Url,
    Usd,
    Workers,
    base_types,
    is_no_character,
    origin_problem,
    split_chain,
    split_pairs,
)
from streamsrv.tool_settings import ToolServerSettings, read_tool_servers
from streamsrv.web_addresses import fits_in_header, is_loopback, url_problem, without_passwords
from streamsrv.webrtc_settings import WebRtcSettings

INSTRUCTIONS = "You are a helpful, friendly voice assistant."
PREFACE = (
    "Your answer is spoken aloud. Answer in {language}, in plain, short sentences, the first one very short. Use no "
    "markdown, lists, tables, links or emoji."
)
FILLERS = ("One moment, please.", "This takes a little longer.")

APOLOGY = "I am sorry, I cannot answer right now. Please try again."


class Settings(WebRtcSettings, PhoneSettings, BaseModel):
    """The settings of an operator, checked as far as they can be without the catalogue of models.

    An empty text means none for a setting that may be None, so that a variable or a flag can unset what a file sets.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), frozen=True, allow_inf_nan=False)

    host: Annotated[str, Field(pattern=r"^[^\s/]+$"), Accepted("a host name or an IP address, such as 127.0.0.1")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=0, le=MAX_PORT)] = 8000
    root_path: Annotated[
        str,
        Field(pattern=r"^(/[^/?#\s]+)*$"),
        Accepted("a path such as /voice, without a slash at its end, or nothing"),
    ] = ""
    """Prefix of all paths behind a proxy (`/voice`), whether or not the proxy strips it."""
    api_keys: Annotated[
        tuple[Annotated[SecretStr, Field(min_length=1)], ...], Accepted("keys, separated by commas or as a list")
    ] = ()
    """API keys that clients may use, separated by commas. Without any, the server accepts loopback clients only."""
    secret_key: Annotated[SecretStr | None, Field(min_length=32), Accepted("a text of 32 characters or more")] = None
    """Signs client secrets, so that they work after a restart and on every server with the same key; None: a random key
    at each start."""
    allowed_origins: Annotated[
        tuple[str, ...],
        Accepted("origins such as https://example.org or http://localhost:3000, separated by commas, or * for all"),
    ] = ()
    """Web origins (`https://example.org`) whose pages may connect, besides this server's own pages."""
    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Accepted("addresses and networks, separated by commas or as a list, such as 172.18.0.0/16, ::1"),
    ] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
    """Addresses and networks of reverse proxies, separated by commas. Only their `X-Forwarded-For` and
    `X-Forwarded-Proto` are used; those of other clients are ignored."""

    vad: ModelName = "silero"
    """The voice-activity detector: a catalogue name."""
    recognizer: ModelChain = ("moonshine-tiny",)
    """The speech recognisers: catalogue names, each of which takes the place of the one before when that fails; or
    `none`, with which clients must send text."""
    recognizer_by_language: Annotated[
        dict[str, ModelChain],
        Accepted(
            'names of models by ISO 639-1 code: a table such as { de = ["vosk-de", "whisper-small"] } in a file, else '
            "de=vosk-de,whisper-small; ko=vosk-ko"
        ),
    ] = {}
    """The speech recognisers for languages that have others: catalogue names by ISO 639-1 code, in the same order."""
    recognizer_memory: Annotated[int, Field(ge=0, le=1 << 40)] = 2_000_000_000
    """Bytes of memory for recognisers that clients choose and that no setting names, by the estimates of the catalogue;
    0: clients may choose only those of the settings."""
    chat: ModelChain = ("auto",)
    """The language models, of which one answers each request: catalogue names; or `auto`: a model whose key is set,
    else one found on loopback, else the embedded one."""
    chat_policy: Literal["balanced", "cheapest", "fastest", "best", "local"] = "balanced"
    """What decides which of several language models answers. `balanced`: the quickest in small talk, the cheapest that
    is strong enough, the strongest for hard questions; `local`: only models on this machine."""
    chat_rule: Annotated[
        tuple[dict[str, Any], ...], Accepted("[[chat_rule]] tables, with double brackets, in a file")
    ] = ()
    """`[[chat_rule]]` tables, the first of which that covers a request decides before `chat_policy`."""
    chat_urls: Annotated[
        dict[str, Url],
        Accepted(
            'addresses of language models by name: a table such as { llama-4-scout = "http://gpu-box:8000/v1" } in a '
            "file, else llama-4-scout=http://gpu-box:8000/v1; deepseek-v3.2=https://..."
        ),
    ] = {}
    """Where language models are served, with the version of the API (`http://gpu-box:8000/v1`), by catalogue name: for
    those on your own machines, and to reach a provider through a gateway."""
    chat_fallback: ModelName = "auto"
    """The language model that answers when the chosen one cannot: a catalogue name, `auto` (the embedded one, if it is
    installed), or `none`, with which clients get the error."""
    chat_patience_ms: Annotated[int, Field(ge=0, le=600_000)] = 1500
    """Longest wait for the first or the next token of a language model, before the next one is asked, too, and the
    first to answer is heard; 0: no limit. A `[[model]]` may have its own `patience_ms`."""
    synthesizer: ModelChain = ("auto",)
    """The speech synthesisers: catalogue names, each of which takes the place of the one before when that fails;
    `auto`: the embedded one, and espeak-ng in its place if that is installed; or `none`, with which clients must ask
    for text."""
    synthesizer_by_language: Annotated[
        dict[str, ModelChain],
        Accepted(
            'names of models by ISO 639-1 code: a table such as { de = ["piper-thorsten", "espeak"] } in a file, else '
            "de=piper-thorsten,espeak; ko=espeak"
        ),
    ] = {}
    """The speech synthesisers for languages that have others: catalogue names by ISO 639-1 code, in the same order."""
    synthesizer_patience_ms: Annotated[int, Field(ge=0, le=600_000)] = 5000
    """Longest wait for the first or the next piece of a voice's speech, before another one says the rest; 0: no limit.
    A `[[model]]` may have its own `patience_ms`."""
    turn: ModelName = "auto"
    """The end-of-turn model for the pauses of `semantic_vad`: a catalogue name, `auto` (Smart Turn if its weights are
    there), or `none`."""
    turn_words: ModelName = "auto"
    """The model that judges the words of a turn in the pauses of `semantic_vad`: a catalogue name, `auto` (the embedded
    language model if its weights are there), or `none` (the sound alone decides)."""
    only: Annotated[str | None, Field(pattern=r"^tts:[^\s:]+$"), Accepted("tts:NAME, with a synthesiser's name")] = None
    """Run one model alone, for other servers, as `tts:xtts`; None: a whole server."""
    model: Annotated[tuple[dict[str, Any], ...], Accepted("[[model]] tables, with double brackets, in a file")] = ()
    """`[[model]]` tables, which add models to the catalogue."""
    accepted_licences: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Accepted(
            "names of licences, separated by commas or as a list; `streamsrv models NAME` says what a model asks for"
        ),
    ] = ()
    """Licences of weights that the operator accepts, for models that are not fetched or loaded without that."""
    model_folder: Annotated[Folder | None, Accepted("a folder")] = None
    """The folder for weights (`~` is the home folder); None: the user's data folder."""
    voice_folder: Annotated[Folder | None, Accepted("a folder")] = None
    """The folder for cloned voices, as `model_folder`."""

    tool_server: Annotated[
        tuple[ToolServerSettings, ...],
        Accepted("[[tool_server]] tables, with double brackets, in a file; docs/tools.md"),
    ] = ()
    """`[[tool_server]]` tables: the servers of tools that this server runs for the language model."""
    tool_urls: Annotated[
        tuple[str, ...],
        Accepted("http and https addresses, separated by commas or as a list, or * for all"),
    ] = ()
    """Addresses of MCP servers that clients may name in `session.tools`; one that ends with a slash stands for all
    below it. Empty: clients may use only the servers of `tool_server`."""

    instructions: Annotated[str, Accepted("a text")] = INSTRUCTIONS
    """System prompt of sessions that do not set one."""
    voice_preface: Annotated[str, Field(max_length=10_000), Accepted("a text of at most 10000 characters")] = PREFACE
    """Precedes the system prompt of every spoken answer; `{language}` becomes the language of the user. Empty: none."""
    apology: Annotated[str, Field(max_length=1000), Accepted("a text of at most 1000 characters")] = APOLOGY
    """Is said in place of a spoken answer that fails, or of the rest of it. Empty: nothing is said."""
    filler: Annotated[
        tuple[Annotated[str, Field(max_length=200)], ...],
        Field(max_length=10),
        Accepted("texts of at most 200 characters, as a list or separated by |, or nothing"),
    ] = FILLERS
    """Said one after the other while a user waits for the result of a function or tool. Empty: nothing is said."""
    filler_after_ms: Annotated[int, Field(ge=500, le=60_000)] = 2000
    """How long it is quiet before the first of them; before each further one, twice as long."""
    max_sessions: Count = 100
    """Sessions at once; one more gets 503."""
    admit_by_load: bool = True
    """Also refuse a session when the server is so busy that one more would slow the others."""
    max_session_minutes: Minutes = 60
    """Minutes after which a conversation ends; 0: no limit."""
    max_transcription_minutes: Minutes = 0
    """Minutes after which a session of type `transcription` ends, captions included; 0: no limit."""
    max_sessions_per_key: Count | None = None
    """Sessions at once of one API key, including those of its client secrets; None: limited by `max_sessions` only."""
    responses_per_minute: Count = 120
    """Responses per minute of each session."""
    responses_per_minute_per_key: Count | None = None
    """Language model answers per minute in all sessions and chat requests of one API key together; None: no limit."""
    max_cost_per_session: Usd | None = None
    """Most that the models of one session or one HTTP request may cost, in USD; None: no limit."""
    max_cost_per_key_per_day: Usd | None = None
    """Most that the models may cost in a day (UTC) for one API key and its client secrets, in USD; None: no limit."""
    max_cost_per_day: Usd | None = None
    """Most that all models of this server may cost in a day (UTC), in USD; None: no limit."""
    ledger: Ledger = "auto"
    """Where costs are kept: a database; `auto`: a file in the user's data folder, if the packages for it are there."""
    cost_warn_at: Share = 0.8
    """Share of a limit of cost from which on there is a warning."""
    cost_save_at: Share = 0.9
    """Share of a limit of cost from which on the cheapest language model answers; 1: never."""
    speculative: bool = True
    """Begin answers in the pauses of a turn. Answers come sooner; discarded ones use tokens, too."""
    caption_rooms: CountOrZero = 100
    """Caption rooms at once."""
    caption_viewers: CountOrZero = 1000
    """Viewers of all caption rooms together; one more gets 503."""
    caption_folder: Annotated[Folder | None, Accepted("a folder")] = None
    """Folder in which the texts of caption rooms outlive a restart, readable by the server's user only; None: they are
    in memory only."""
    caption_keep_minutes: Minutes = 30
    """Minutes for which a room and its text are kept after its last speaker has left."""
    captions_public: bool = False
    """Let anyone who knows the name of a caption room read it without an API key. Speaking in it still needs a key."""
    max_requests: Count = 8
    """REST requests (speech, transcriptions, chat) at once; one more gets 503."""
    max_requests_per_key: Count | None = None
    """REST requests at once of one API key; one more gets 429. None: limited by `max_requests` only."""
    max_upload_bytes: Annotated[int, Field(ge=1, le=1 << 40)] = 25 * 1024 * 1024
    """Longest body of a transcription request, in bytes."""
    max_audio_seconds: Annotated[float, Field(gt=0, le=MAX_MINUTES * 60)] = 3600
    """Longest recording that is transcribed, in seconds."""
    max_voices_per_key: CountOrZero = 20
    """Cloned voices of one API key; 0: voices cannot be cloned."""
    inference_threads: Workers = os.cpu_count() or 2
    """Worker threads that run recognition and synthesis."""

    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    """The least important messages that are logged."""
    log_format: Literal["text", "json"] = "text"
    """How log lines are written."""
    tracing: bool = False
    """Send OpenTelemetry traces of sessions to the collector that the standard `OTEL_` variables name."""
    tracing_words: bool = False
    """Put into the traces what users say and what is answered."""

    @field_validator("*", mode="before")
    @classmethod
    def _prepare(cls, value: object, info: ValidationInfo) -> object:
        types = base_types(cls.model_fields[info.field_name or ""].annotation)
        if isinstance(value, str) and not value.isprintable() and any(map(is_no_character, value)):
            raise ValueError("is not valid UTF-8")
        if value == "" and type(None) in types:
            return None
        if isinstance(value, bool) and bool not in types:
            return str(value)  # pydantic would take true for the number 1
        return value

    @field_validator(
        "accepted_licences",
        "api_keys",
        "allowed_origins",
        "trusted_proxies",
        "audiosocket_peers",
        "webrtc_hosts",
        "webrtc_public_addresses",
        "tool_urls",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("filler", mode="before")
    @classmethod
    def _split_texts(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split("|") if part.strip()) if isinstance(value, str) else value

    @field_validator("recognizer", "chat", "synthesizer", mode="before")
    @classmethod
    def _split_chain(cls, value: object) -> object:
        return split_chain(value)

    @field_validator("recognizer_by_language", "synthesizer_by_language", mode="before")
    @classmethod
    def _split_chains(cls, value: object) -> object:
        value = split_pairs(value, "models")
        if isinstance(value, Mapping):
            return {code: split_chain(names) for code, names in cast("Mapping[object, object]", value).items()}
        return value

    @field_validator("chat_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: object) -> object:
        return split_pairs(value, "address")

    @field_validator("recognizer", "recognizer_by_language", "synthesizer", "synthesizer_by_language")
    @classmethod
    def _can_follow(cls, value: tuple[str, ...] | dict[str, tuple[str, ...]], info: ValidationInfo) -> object:
        work = "recognition" if (info.field_name or "").startswith("recognizer") else "speech"
        for chain in value.values() if isinstance(value, dict) else [value]:
            if twice := [name for name, count in Counter(chain).items() if count > 1]:
                raise ValueError(f"{twice[0]!r} is named twice")
            if "none" in chain and len(chain) > 1:
                raise ValueError(f"'none' turns {work} off, so it stands alone")
            if "auto" in chain and len(chain) > 1 and work == "speech":
                raise ValueError("'auto' leaves the choice to the server, so it stands alone")
        return value

    @field_validator("chat")
    @classmethod
    def _are_candidates(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"{twice[0]!r} is named twice")
        if "auto" in names and len(names) > 1:
            raise ValueError("'auto' leaves the choice to the server, so it stands alone")
        return names

    @field_validator("api_keys")
    @classmethod
    def _fits_in_a_header(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(keys, 1):
            text = key.get_secret_value()
            if not fits_in_header(text) or text != text.strip():
                raise ValueError(
                    f"key {number} of {len(keys)} can never match, because an HTTP header cannot carry it: "
                    "use printable ASCII characters, without spaces at the ends"
                )
        return keys

    @field_validator("allowed_origins")
    @classmethod
    def _can_match(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        reasons = [f"{origin!r} matches no page{why}" for origin in origins if (why := origin_problem(origin))]
        if reasons:
            raise ValueError("; ".join(reasons))
        return origins

    @field_validator("tool_server", mode="before")
    @classmethod
    def _read_tool_servers(cls, value: object) -> object:
        return read_tool_servers(value)

    @field_validator("tool_urls")
    @classmethod
    def _are_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [f"{without_passwords(url)!r} {why}" for url in urls if url != "*" and (why := url_problem(url))]:
            raise ValueError("; ".join(wrong))
        return urls

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _loopback_without_keys(self) -> "Settings":
        if not self.api_keys and not is_loopback(self.host):
            raise PydanticCustomError(
                "no_key",
                "'{host}' is reachable from other machines, but there is no key: "
                "set api_keys (STREAMSRV_API_KEYS), or use host 127.0.0.1",
                {"host": self.host, "setting": "host"},
            )
        return self
