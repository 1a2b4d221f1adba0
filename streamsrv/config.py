"""Settings: from flags, the environment (`STREAMSRV_...`) and streamsrv.toml, in that order; validated at start."""

import ipaddress
import os
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

SETTINGS_FILE = Path("streamsrv.toml")
MAX_MINUTES = 366 * 24 * 60
"""The longest limit on a session that timers take: a year."""

INSTRUCTIONS = (
    "You are a helpful, friendly voice assistant. Your answers are spoken aloud: keep them short, in plain sentences, "
    "without lists, markdown or emoji."
)


class Settings(BaseSettings):
    """What an operator can set. Unknown names in streamsrv.toml are errors, so that a typo does not pass in silence."""

    model_config = SettingsConfigDict(
        env_prefix="STREAMSRV_", toml_file=SETTINGS_FILE, extra="forbid", protected_namespaces=(), frozen=True
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    root_path: Annotated[str, Field(pattern=r"^(/[^/?#\s]+)*$")] = ""
    """Prefix of all paths behind a proxy (`/voice`), whether the proxy takes it away or not."""
    api_keys: Annotated[tuple[Annotated[SecretStr, Field(min_length=1)], ...], NoDecode] = ()
    """Keys that clients may present; several are separated by commas. Without any, only loopback is served."""
    secret_key: Annotated[SecretStr, Field(min_length=32)] | None = None
    """Signs client secrets, so that they outlive a restart and open sessions at every server that has the same key;
    None: a random one for each start."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Web origins (`https://example.org`) whose pages may connect, besides pages of this server itself."""

    vad: str = "silero"
    recognizer: str = "moonshine-tiny"
    """A catalogue name, or `none`: clients send text, for example what the browser itself has recognised."""
    chat: str = "auto"
    """A catalogue name, or `auto`: a model with a key, else one found on loopback, else the embedded one."""
    synthesizer: str = "hibari"
    """A catalogue name, or `none`: clients ask for text, and may speak it themselves."""
    turn: str = "auto"
    """An end-of-turn model, which listens to the pauses of `semantic_vad`: a catalogue name, `auto` (Smart Turn where
    its weights are), or `none`."""
    model: tuple[dict[str, Any], ...] = ()
    """`[[model]]` tables: additions to the catalogue."""
    model_folder: Path | None = None
    """Where weights are kept (`~` is the home folder); None: the user's data folder."""

    instructions: str = INSTRUCTIONS
    """System prompt of sessions that bring none."""
    max_sessions: Annotated[int, Field(ge=1)] = 100
    admit_by_load: bool = True
    """Refuse sessions also when those there are keep the processor so busy that one more would make them slow."""
    max_session_minutes: Annotated[float, Field(ge=0, le=MAX_MINUTES)] = 60
    """A conversation ends after that; 0: it lasts as long as its client stays."""
    max_transcription_minutes: Annotated[float, Field(ge=0, le=MAX_MINUTES)] = 0
    """The same for sessions of type `transcription`, captions among them."""
    max_sessions_per_key: Annotated[int, Field(ge=1)] | None = None
    """Sessions at once of one API key, those of its client secrets included; None: no limit but `max_sessions`."""
    responses_per_minute: Annotated[int, Field(ge=1)] = 120
    """For each session."""
    responses_per_minute_per_key: Annotated[int, Field(ge=1)] | None = None
    """Answers of language models for all sessions and chat requests of one API key together; None: no limit."""
    speculative: bool = True
    """Begin answers in the pauses of a turn. Quicker; what is begun in vain is paid for all the same."""
    caption_rooms: Annotated[int, Field(ge=0)] = 100
    """Caption rooms at once."""
    caption_viewers: Annotated[int, Field(ge=0)] = 1000
    """Viewers of all rooms together; one more gets 503."""
    caption_keep_minutes: Annotated[float, Field(ge=0)] = 30
    """How long a room and its text are kept after its last speaker has left."""
    captions_public: bool = False
    """With `api_keys`: who knows the name of a caption room may read it without a key. Speaking always needs one."""
    max_requests: Annotated[int, Field(ge=1)] = 8
    """REST requests (speech, transcriptions, chat) that are answered at once; one more gets 503."""
    max_requests_per_key: Annotated[int, Field(ge=1)] | None = None
    """REST requests at once of one API key; one more gets 429. None: no limit but `max_requests`."""
    max_upload_bytes: Annotated[int, Field(ge=1)] = 25 * 1024 * 1024
    """Longest body of a transcription request."""
    max_audio_seconds: Annotated[float, Field(gt=0)] = 3600
    """Longest recording that is transcribed; an hour takes 230 MB of memory while it is decoded, 115 after that."""
    inference_threads: Annotated[int, Field(ge=1)] = os.cpu_count() or 2
    """Worker threads that run recognition and synthesis."""

    webrtc_processes: Annotated[int, Field(ge=1)] = os.cpu_count() or 2
    """Processes at most that carry the media of WebRTC calls; none of them before a call is to be expected."""
    webrtc_hosts: Annotated[tuple[IPv4Address | IPv6Address, ...], NoDecode] = ()
    """Addresses offered to WebRTC clients; none: those of all interfaces, and of loopback if `host` is one."""
    stun_server: Annotated[str, Field(pattern=r"^stun:[^\s:?]+(:\d+)?$")] | None = None
    """`stun:host:port`, to learn the server's own address behind NAT; None: nobody is asked."""
    turn_server: Annotated[str, Field(pattern=r"^turns?:[^\s:?]+(:\d+)?(\?transport=(udp|tcp))?$")] | None = None
    """`turn:host:port?transport=udp`, a relay for clients that cannot reach the server."""
    turn_username: str | None = None
    turn_password: SecretStr | None = None

    @field_validator("api_keys", "allowed_origins", "webrtc_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _fits_in_a_header(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(keys, 1):
            text = key.get_secret_value()
            if not (text.isascii() and text.isprintable() and text == text.strip()):
                raise ValueError(
                    f"key {number} of {len(keys)} can never match, because no HTTP header carries it: "
                    "use printable ASCII characters, without spaces at the ends"
                )
        return keys

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


def is_loopback(host: str) -> bool:
    """Whether a host name or address (IPv6 may be in brackets) can only be reached from this machine."""
    host = host.strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
