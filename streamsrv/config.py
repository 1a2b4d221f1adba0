"""Reads and validates settings: from flags, the environment (`STREAMSRV_...`) and streamsrv.toml, in that order."""

import ipaddress
import os
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

SETTINGS_FILE = Path("streamsrv.toml")
MAX_PORT = 65535
MIN_MEDIA_PORT = 1024
"""Lowest UDP port for media. Ports below it need privileges that a server should not have."""
MAX_MINUTES = 366 * 24 * 60
"""The longest accepted limit on a session: one that timers can still hold."""

INSTRUCTIONS = (
    "You are a helpful, friendly voice assistant. Your answers are spoken aloud: keep them short, in plain sentences, "
    "without lists, markdown or emoji."
)


class Settings(BaseSettings):
    """The settings of an operator. Unknown names in streamsrv.toml are errors, so that a typo is noticed."""

    model_config = SettingsConfigDict(
        env_prefix="STREAMSRV_", toml_file=SETTINGS_FILE, extra="forbid", protected_namespaces=(), frozen=True
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    root_path: Annotated[str, Field(pattern=r"^(/[^/?#\s]+)*$")] = ""
    """Prefix of all paths behind a proxy (`/voice`), whether or not the proxy strips it."""
    api_keys: Annotated[tuple[Annotated[SecretStr, Field(min_length=1)], ...], NoDecode] = ()
    """API keys that clients may use, separated by commas. Without any, the server accepts loopback clients only."""
    secret_key: Annotated[SecretStr, Field(min_length=32)] | None = None
    """Signs client secrets, so that they work after a restart and on every server with the same key; None: a random key
    at each start."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Web origins (`https://example.org`) whose pages may connect, besides this server's own pages."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = (
        IPv4Network("127.0.0.0/8"),
        IPv6Network("::1/128"),
    )
    """Addresses and networks of reverse proxies, separated by commas. Only their `X-Forwarded-For` and
    `X-Forwarded-Proto` are used; those of other clients are ignored."""

    vad: str = "silero"
    """The voice-activity detector: a catalogue name."""
    recognizer: str = "moonshine-tiny"
    """The speech recogniser: a catalogue name, or `none`, with which clients must send text."""
    chat: str = "auto"
    """The language model: a catalogue name, or `auto`: a model whose key is set, else one found on loopback, else the
    embedded one."""
    synthesizer: str = "hibari"
    """The speech synthesiser: a catalogue name, or `none`, with which clients must ask for text."""
    turn: str = "auto"
    """The end-of-turn model for the pauses of `semantic_vad`: a catalogue name, `auto` (Smart Turn if its weights are
    there), or `none`."""
    model: tuple[dict[str, Any], ...] = ()
    """`[[model]]` tables, which add models to the catalogue."""
    model_folder: Path | None = None
    """The folder for weights (`~` is the home folder); None: the user's data folder."""

    instructions: str = INSTRUCTIONS
    """System prompt of sessions that do not set one."""
    max_sessions: Annotated[int, Field(ge=1)] = 100
    """Sessions at once; one more gets 503."""
    admit_by_load: bool = True
    """Also refuse a session when the server is so busy that one more would slow the others."""
    max_session_minutes: Annotated[float, Field(ge=0, le=MAX_MINUTES)] = 60
    """Minutes after which a conversation ends; 0: no limit."""
    max_transcription_minutes: Annotated[float, Field(ge=0, le=MAX_MINUTES)] = 0
    """Minutes after which a session of type `transcription` ends, captions included; 0: no limit."""
    max_sessions_per_key: Annotated[int, Field(ge=1)] | None = None
    """Sessions at once of one API key, including those of its client secrets; None: limited by `max_sessions` only."""
    responses_per_minute: Annotated[int, Field(ge=1)] = 120
    """Responses per minute of each session."""
    responses_per_minute_per_key: Annotated[int, Field(ge=1)] | None = None
    """Language model answers per minute in all sessions and chat requests of one API key together; None: no limit."""
    speculative: bool = True
    """Begin answers in the pauses of a turn. Answers come sooner; discarded ones use tokens, too."""
    caption_rooms: Annotated[int, Field(ge=0)] = 100
    """Caption rooms at once."""
    caption_viewers: Annotated[int, Field(ge=0)] = 1000
    """Viewers of all caption rooms together; one more gets 503."""
    caption_keep_minutes: Annotated[float, Field(ge=0)] = 30
    """Minutes for which a room and its text are kept after its last speaker has left."""
    captions_public: bool = False
    """Let anyone who knows the name of a caption room read it without an API key. Speaking in it still needs a key."""
    max_requests: Annotated[int, Field(ge=1)] = 8
    """REST requests (speech, transcriptions, chat) at once; one more gets 503."""
    max_requests_per_key: Annotated[int, Field(ge=1)] | None = None
    """REST requests at once of one API key; one more gets 429. None: limited by `max_requests` only."""
    max_upload_bytes: Annotated[int, Field(ge=1)] = 25 * 1024 * 1024
    """Longest body of a transcription request, in bytes."""
    max_audio_seconds: Annotated[float, Field(gt=0)] = 3600
    """Longest recording that is transcribed, in seconds."""
    inference_threads: Annotated[int, Field(ge=1)] = os.cpu_count() or 2
    """Worker threads that run recognition and synthesis."""

    webrtc_processes: Annotated[int, Field(ge=1)] = os.cpu_count() or 2
    """Most processes for the media of WebRTC calls; the first one starts when a call is expected."""
    webrtc_hosts: Annotated[tuple[IPv4Address | IPv6Address, ...], NoDecode] = ()
    """Addresses offered to WebRTC clients; empty: those of all interfaces, and loopback if `host` is loopback."""
    webrtc_ports: str | None = None
    """UDP ports of WebRTC media, as `first-last` (`50000-50100`): one for each call; None: any free port."""
    stun_server: Annotated[str, Field(pattern=r"^stun:[^\s:?]+(:\d+)?$")] | None = None
    """`stun:host:port`, to find the server's own address behind NAT; None: no STUN server is used."""
    turn_server: Annotated[str, Field(pattern=r"^turns?:[^\s:?]+(:\d+)?(\?transport=(udp|tcp))?$")] | None = None
    """`turn:host:port?transport=udp`, a relay for clients that cannot reach the server; None: no relay."""
    turn_username: str | None = None
    turn_password: SecretStr | None = None

    @field_validator("api_keys", "allowed_origins", "webrtc_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            return value
        return tuple(_network(str(part)) for part in cast("Sequence[object]", parts) if str(part).strip())

    @field_validator("api_keys")
    @classmethod
    def _fits_in_a_header(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(keys, 1):
            text = key.get_secret_value()
            if not (text.isascii() and text.isprintable() and text == text.strip()):
                raise ValueError(
                    f"key {number} of {len(keys)} can never match, because an HTTP header cannot carry it: "
                    "use printable ASCII characters, without spaces at the ends"
                )
        return keys

    @field_validator("webrtc_ports")
    @classmethod
    def _is_port_range(cls, value: str | None) -> str | None:
        if value is not None:
            port_range(value)
        return value

    @field_validator("model_folder")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return value and value.expanduser()

    @model_validator(mode="after")
    def _loopback_without_keys(self) -> "Settings":
        if not self.api_keys and not is_loopback(self.host):
            raise ValueError(
                f"host '{self.host}' is reachable from other machines, but there is no key: "
                "set api_keys (STREAMSRV_API_KEYS), or use host 127.0.0.1"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{error}: use addresses and networks, separated by commas, such as 172.18.0.0/16, ::1"
        ) from None


def port_range(text: str) -> tuple[int, int]:
    """Return the first and the last port of `first-last`. Raises `ValueError`."""
    match = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", text, re.ASCII)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if not MIN_MEDIA_PORT <= first <= last <= MAX_PORT:
        raise ValueError(
            f"'{text}' is not a range of UDP ports: write first-last, such as 50000-50100, "
            f"with ports from {MIN_MEDIA_PORT} to {MAX_PORT} and the lower one first"
        )
    return first, last


def is_loopback(host: str) -> bool:
    """Whether a host name or address (IPv6 also in brackets) can only be reached from this machine."""
    host = host.strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
