"""The settings of telephone calls: `PhoneSettings`, a part of `Settings`, and what each `[[phone_number]]` table has.

`[[phone_provider]]` tables are in `phone_provider_settings`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from streamsrv.phone_provider_settings import PhoneProviderSettings, ProviderName, read_phone_providers
from streamsrv.setting_values import MAX_MINUTES, Accepted, Folder
from streamsrv.sip_settings import SipEndpointSettings, read_sip_endpoints
from streamsrv.tool_settings import LABEL, VARIABLE
from streamsrv.web_addresses import is_unencrypted, url_problem, without_passwords

MAX_NUMBER_CHARS = 256
"""Characters of a number or URI that is called."""
MAX_TEXT_CHARS = 2000
"""Characters of a text that is spoken as it is."""
MAX_WAIT_MS = 600_000
DESTINATION = r"^(\+?[0-9]{1,32}|tel:\+?[0-9]{1,32}|sips?:[^\s<>\"'&\x00-\x1f\x7f]{1,240})$"
"""Pattern of a number, `tel:` or `sip:` URI to which a call can be made or transferred."""
_SEPARATORS = re.compile(r"[ ()/.-]")

LineName = ProviderName | Literal["audiosocket", "sip"]
"""Where calls come from, as `CallFacts.provider`."""
Spoken = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
Name = Annotated[str, Field(max_length=MAX_NUMBER_CHARS)]
Wait = Annotated[int, Field(ge=0, le=MAX_WAIT_MS)]


def plain_number(number: str) -> str:
    """Return a number as it is compared: without separators and without the + of the international form."""
    text = number.strip()
    return text if "@" in text or ":" in text else _SEPARATORS.sub("", text).removeprefix("+")


class PhoneNumberSettings(BaseModel):
    """Who answers the calls to some numbers. Without `name`, the first number names it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    numbers: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=MAX_NUMBER_CHARS)], ...], Field(min_length=1)
    ]
    """Numbers that are called (`+4930123456`), SIP users or addresses; `+4930*` is all that begin so, `*` all."""
    name: Annotated[str, Field(pattern=rf"{LABEL}|^$")] = ""
    """Names the agent in logs, and for outbound calls."""
    providers: tuple[LineName, ...] = ()
    """The providers whose calls are answered; none: those of all."""
    instructions: Annotated[str, Field(max_length=200_000)] | None = None
    """System prompt; None: that of the server."""
    model: Name = ""
    """The language model by name; empty: that of the server. So are the recogniser and the voice."""
    recognizer: Name = ""
    voice: Name = ""
    speed: Annotated[float, Field(ge=0.25, le=1.5)] = 1.0
    language: Annotated[str, Field(pattern=r"^([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$")] = ""
    """ISO 639-1 code of the language in which caller and agent speak; empty: what they speak is looked for."""
    turn_detection: Literal["server_vad", "semantic_vad"] = "semantic_vad"
    """How turns are found. With `server_vad` any speech is a turn, also the echo of a reply in the caller's handset."""
    tools: tuple[Annotated[str, Field(pattern=LABEL)], ...] = ()
    """Labels of `[[tool_server]]` tables that are not in every session."""
    greeting: Spoken = ""
    """Said when the call begins."""
    busy: Spoken = "All lines are busy. Please call again later."
    """Said to callers for whom there is no capacity, before they are hung up on; empty: they hear a busy tone."""
    may_hang_up: bool = True
    """Whether the language model may end the call."""
    transfers: dict[Annotated[str, Field(pattern=LABEL)], str] = {}
    """To whom the language model may transfer the call: numbers, `tel:` or `sip:` URIs by a name for each."""
    silence_ms: Wait = 10_000
    """How long a caller may be silent before the next of `silence_prompts`, and at last before the call ends; 0: any
    time."""
    silence_prompts: Annotated[tuple[Spoken, ...], Field(max_length=10)] = ("Are you still there?",)
    goodbye: Spoken = "Goodbye."
    """Said before the call ends because of silence or its longest duration."""
    digits_pause_ms: Annotated[int, Field(ge=100, le=60_000)] = 2_000
    """The pause after which pressed keys are given to the language model; `#` gives them at once."""
    waiting_after_ms: Annotated[int, Field(ge=0, le=60_000)] = 1_000
    """How long a caller waits for an answer before a quiet sound is played; 0: there is no such sound."""
    max_minutes: Annotated[float, Field(ge=0, le=MAX_MINUTES)] = 0
    """The longest duration of a call; 0: `max_session_minutes`."""
    record: bool = False
    """Whether calls are recorded. The operator sees to it that callers consent."""
    application: str = ""
    """Address of an application that is asked (`realtime.call.incoming`) whether the call is accepted."""
    application_secret_variable: Annotated[str, Field(pattern=rf"{VARIABLE}|^$")] = ""
    """Name of the environment variable with the secret (`whsec_...`) that signs what the application is sent."""
    application_ring_s: Annotated[float, Field(gt=0, le=120)] = 20
    """Seconds for which the call rings at most while the application has not answered."""
    application_otherwise: Literal["answer", "reject"] = "answer"
    """What becomes of the call if the application cannot be reached or does not answer."""
    voicemail: Spoken = ""
    """Said to the answering machine that answers an outbound call, before the call ends; empty: it ends at once."""

    @property
    def agent_name(self) -> str:
        return self.name or {"*": "any"}.get(self.numbers[0], self.numbers[0])


_ACCEPTED = {
    "numbers": "a list of numbers such as +4930123456, +4930* or *",
    "name": "letters, digits, - and _",
    "providers": "a list of twilio, telnyx, plivo, vonage, exotel, audiosocket and sip",
    "language": "a code such as de or en",
    "speed": "a number from 0.25 to 1.5",
    "turn_detection": "server_vad or semantic_vad",
    "tools": "a list of labels of [[tool_server]] tables",
    "transfers": "a table of numbers, tel: or sip: addresses by names of letters, digits, - and _",
    "silence_ms": f"a whole number from 0 to {MAX_WAIT_MS}",
    "silence_prompts": f"a list of at most 10 texts of at most {MAX_TEXT_CHARS} characters",
    "digits_pause_ms": "a whole number from 100 to 60000",
    "waiting_after_ms": "a whole number from 0 to 60000",
    "max_minutes": f"a number from 0 to {MAX_MINUTES}",
    "application": "an https address",
    "application_secret_variable": "the name of an environment variable",
    "application_ring_s": "a number of seconds above 0, up to 120",
    "application_otherwise": "answer or reject",
    "may_hang_up": "true or false",
    "record": "true or false",
    "instructions": "a text of at most 200000 characters",
} | dict.fromkeys(("greeting", "busy", "goodbye", "voicemail"), f"a text of at most {MAX_TEXT_CHARS} characters")
_MAY_BE_SECRET = ("application_secret_variable",)


def read_phone_numbers(tables: object) -> tuple[PhoneNumberSettings, ...]:
    """Return the checked tables; raises `ValueError` that names the table, the field and its value."""
    if not isinstance(tables, list | tuple) or not all(
        isinstance(table, Mapping | PhoneNumberSettings) for table in cast("list[object]", tables)
    ):
        raise ValueError("is not a list of tables")
    held = cast("list[Mapping[str, Any] | PhoneNumberSettings]", tables)
    read = tuple(table if isinstance(table, PhoneNumberSettings) else _read(table) for table in held)
    if twice := _twice(number.agent_name for number in read):
        raise ValueError(f"the name {twice!r} is given twice; give each table a name of its own")
    if twice := _twice(
        f"{pattern} of {provider}"
        for number in read
        for pattern in map(plain_number, number.numbers)
        for provider in (number.providers or ("every provider",))
    ):
        raise ValueError(f"the number {twice} is given twice")
    return read


def _twice(names: Iterable[str]) -> str:
    return next((name for name, count in Counter(names).items() if count > 1), "")


def _first(numbers: object) -> object:
    listed = cast("list[object]", numbers) if isinstance(numbers, list) else []
    return listed[0] if listed else cast("object", numbers)


def _read(table: Mapping[str, Any]) -> PhoneNumberSettings:
    called = str(table.get("name") or _first(table.get("numbers")) or "(without numbers)")[:64]
    try:
        number = PhoneNumberSettings.model_validate(table)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_context=False)[0]
        raise ValueError(_describe(called, detail, table)) from None
    for pattern in number.numbers:
        if problem := _pattern_problem(pattern):
            raise ValueError(f"{called!r}: numbers: {pattern[:60]!r} {problem}; accepted: {_ACCEPTED['numbers']}")
    for name, destination in number.transfers.items():
        if not re.fullmatch(DESTINATION, destination):
            shown = destination[:60]
            raise ValueError(f"{called!r}: transfers: {name}: {shown!r} is not a number, tel: or sip: address")
    if number.application and (problem := url_problem(number.application)):
        raise ValueError(f"{called!r}: application: {without_passwords(number.application)!r} {problem}")
    if number.application and is_unencrypted(number.application):
        raise ValueError(f"{called!r}: application: {number.application!r} would get calls unencrypted; use https")
    if number.application and not number.application_secret_variable:
        raise ValueError(f"{called!r}: application: needs application_secret_variable, to sign what it is sent")
    for field in ("application_secret_variable", "application_ring_s", "application_otherwise"):
        if not number.application and field in number.model_fields_set:
            raise ValueError(f"{called!r}: {field} has no effect without application")
    return number


def _describe(called: str, detail: ErrorDetails, table: Mapping[str, Any]) -> str:
    field = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"{called!r}: {field}: is missing"
    known = ", ".join(PhoneNumberSettings.model_fields)
    accepted = _ACCEPTED.get(field, "a text" if field in PhoneNumberSettings.model_fields else f"the fields {known}")
    # A field that is not known, or ought to name a variable, may have been given a secret.
    may_be_secret = detail["type"] == "extra_forbidden" or field in _MAY_BE_SECRET
    value = "" if may_be_secret else f" {repr(table[field])[:60]}"
    return f"{called!r}: {field}:{value} is not accepted, but {accepted}"


def _pattern_problem(pattern: str) -> str:
    plain = plain_number(pattern)
    if plain == "*":
        return ""
    if "*" in plain[:-1]:
        return "has a * that is not at its end"
    if not plain.removesuffix("*") or re.search(r"[\s<>\"']", plain):
        return "is no number and no SIP address"
    return ""


class PhoneSettings(BaseModel):
    """The settings of telephone calls; `Settings` has them, too."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), frozen=True, allow_inf_nan=False)

    public_url: Annotated[
        str | None,
        Accepted("an https address such as https://voice.example.org, with the path that a proxy adds and no query"),
    ] = None
    """The address under which providers of telephone calls reach this server; None: there are no such calls."""
    phone_number: Annotated[
        tuple[PhoneNumberSettings, ...],
        Accepted("[[phone_number]] tables, with double brackets, in a file; docs/telephony.md"),
    ] = ()
    """`[[phone_number]]` tables: who answers telephone calls."""
    phone_provider: Annotated[
        tuple[SerializeAsAny[PhoneProviderSettings], ...],
        Accepted("[[phone_provider]] tables, with double brackets, in a file; docs/telephony.md"),
    ] = ()
    """`[[phone_provider]]` tables: the providers whose calls come to this server."""
    sip_endpoint: Annotated[
        tuple[SipEndpointSettings, ...],
        Accepted("one [[sip_endpoint]] table, with double brackets, in a file; docs/telephony.md"),
    ] = ()
    """A `[[sip_endpoint]]` table: where calls over SIP are taken; empty: there are none."""

    recording_folder: Annotated[Folder | None, Accepted("a folder")] = None
    """Where telephone calls are recorded whose `[[phone_number]]` table has `record = true`; None: nowhere."""
    audiosocket_port: Annotated[int | None, Field(ge=0, le=65535), Accepted("a TCP port; 0 for any free one")] = None
    """TCP port to which Asterisk connects calls with AudioSocket; None: none, 0: any free one."""
    audiosocket_host: str = "127.0.0.1"
    """Address on which AudioSocket is served."""
    audiosocket_peers: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Accepted("addresses and networks, separated by commas or as a list, such as 192.168.5.2, fd00::/8"),
    ] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
    """Addresses and networks that may connect to it. The protocol itself has no authentication."""
    audiosocket_announced: bool = False
    """Whether calls connect only with a UUID that an API key has fetched (`POST /v1/calls/audiosocket`)."""

    @field_validator("phone_number", mode="before")
    @classmethod
    def _read_phone_numbers(cls, value: object) -> object:
        return read_phone_numbers(value)

    @field_validator("phone_provider", mode="before")
    @classmethod
    def _read_phone_providers(cls, value: object) -> object:
        return read_phone_providers(value)

    @field_validator("sip_endpoint", mode="before")
    @classmethod
    def _read_sip_endpoints(cls, value: object) -> object:
        return read_sip_endpoints(value)

    @field_validator("public_url")
    @classmethod
    def _is_public(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if problem := url_problem(url):
            raise ValueError(f"{without_passwords(url)!r} {problem}")
        if "?" in url:
            raise ValueError(f"{url!r} has a query (?)")
        if is_unencrypted(url):
            raise ValueError(f"{url!r} is not encrypted, and providers connect only with https")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _recordings_have_a_folder(self) -> "PhoneSettings":
        for number in self.phone_number:
            if number.record and self.recording_folder is None:
                facts = {"agent": number.agent_name, "setting": "phone_number"}
                raise PydanticCustomError("no_folder", "'{agent}': record: needs recording_folder", facts)
        return self

    @model_validator(mode="after")
    def _tools_of_agents_are_known(self) -> "PhoneSettings":
        labels = {server.label for server in getattr(self, "tool_server", ())}
        for number in self.phone_number:
            for label in number.tools:
                if label not in labels:
                    message = "'{agent}': tools: '{label}' is the label of no [[tool_server]] table"
                    facts = {"agent": number.agent_name, "label": label, "setting": "phone_number"}
                    raise PydanticCustomError("unknown_tool_server", message, facts)
        return self
