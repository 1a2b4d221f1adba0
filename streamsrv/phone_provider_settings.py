"""The `[[phone_provider]]` tables of the settings, checked. Secrets are named by the variables that hold them."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamsrv.tool_settings import VARIABLE
from streamsrv.web_addresses import is_unencrypted, url_problem, without_passwords

ProviderName = Literal["twilio", "telnyx", "plivo", "vonage", "exotel"]
PROVIDERS: tuple[ProviderName, ...] = ("twilio", "telnyx", "plivo", "vonage", "exotel")

Variable = Annotated[str, Field(pattern=rf"{VARIABLE}|^$")]
Id = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_.~-]*$")]
"""An identifier that becomes a part of a URL."""
NumberPattern = Annotated[str, Field(pattern=r"^(\+[0-9]{1,15}\*?|sips?:[^\s<>\"'&]{1,240})$")]


class PhoneProviderSettings(BaseModel):
    """What is the same for each provider of telephone calls."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    checks_with: ClassVar[str] = ""
    """The field without which no webhook is accepted, because its signature could not be checked."""
    controls_with: ClassVar[tuple[str, ...]] = ()
    """The fields without which calls cannot be transferred, hung up or begun."""

    name: ProviderName
    outbound: bool = False
    """Whether API keys may begin calls (`POST /v1/calls`), which cost money."""
    outbound_to: tuple[NumberPattern, ...] = ()
    """The numbers that may be called: `+4930123456`, or `+49*` for all that begin so."""
    outbound_from: tuple[NumberPattern, ...] = ()
    """The numbers of the account that callees see; the first is the default."""
    outbound_per_minute: Annotated[int, Field(ge=1, le=6000)] = 10
    detect_machines: bool = True
    """Whether the provider is asked to tell answering machines from people in outbound calls."""
    api_url: str = ""
    """Address of the provider's REST API; empty: its usual one."""

    def secret(self, field: str, environ: Mapping[str, str]) -> str:
        """Return the secret that a field names; empty if the field, or the variable, is."""
        return environ.get(getattr(self, field, ""), "").strip()

    def lacks(self, fields: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the fields that are empty."""
        return tuple(field for field in fields if not getattr(self, field))

    @property
    def variables(self) -> dict[str, str]:
        """The names of the environment variables by the fields that name them."""
        return {
            field: getattr(self, field)
            for field in type(self).model_fields
            if field.endswith("_variable") and getattr(self, field)
        }


class TwilioSettings(PhoneProviderSettings):
    checks_with: ClassVar[str] = "auth_token_variable"
    controls_with: ClassVar[tuple[str, ...]] = ("account", "auth_token_variable")

    account: Id = ""
    """The SID of the account (AC...)."""
    auth_token_variable: Variable = ""
    signing_key_variable: Variable = ""
    """Names the variable with the secret of the shared key that signs webhooks with HMAC-SHA256, if there is one."""


class TelnyxSettings(PhoneProviderSettings):
    checks_with: ClassVar[str] = "public_key"
    controls_with: ClassVar[tuple[str, ...]] = ("api_key_variable",)

    public_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$|^$")] = ""
    """The account's public key in base64, which checks signatures; it is no secret."""
    api_key_variable: Variable = ""
    application: Id = ""
    """The id of the Call Control application (`connection_id`) that begins outbound calls."""


class PlivoSettings(PhoneProviderSettings):
    checks_with: ClassVar[str] = "auth_token_variable"
    controls_with: ClassVar[tuple[str, ...]] = ("account", "auth_token_variable")

    account: Id = ""
    """The auth id of the account (MA...)."""
    auth_token_variable: Variable = ""


class VonageSettings(PhoneProviderSettings):
    checks_with: ClassVar[str] = "signature_secret_variable"
    controls_with: ClassVar[tuple[str, ...]] = ("application", "private_key_variable")

    account: Id = ""
    """The API key of the account; webhooks for another one are refused. Empty: that is not looked at."""
    signature_secret_variable: Variable = ""
    application: Id = ""
    """The id of the application whose private key signs requests to the REST API."""
    private_key_variable: Variable = ""
    """Names the variable with the private key in PEM."""


class ExotelSettings(PhoneProviderSettings):
    checks_with: ClassVar[str] = "webhook_password_variable"
    controls_with: ClassVar[tuple[str, ...]] = ("account", "api_key_variable", "api_token_variable")

    account: Id = ""
    """The SID of the account."""
    webhook_user: Annotated[str, Field(pattern=r"^[^:\s@/]{1,128}$")] = "exotel"
    webhook_password_variable: Variable = ""
    """Names the variable with the password that Exotel sends (HTTP Basic), because it does not sign its requests."""
    api_key_variable: Variable = ""
    api_token_variable: Variable = ""
    application: Id = ""
    """The id of the call flow that answers outbound calls."""


_KINDS: dict[str, type[PhoneProviderSettings]] = {
    "twilio": TwilioSettings,
    "telnyx": TelnyxSettings,
    "plivo": PlivoSettings,
    "vonage": VonageSettings,
    "exotel": ExotelSettings,
}
_ACCEPTED = {
    "name": ", ".join(PROVIDERS),
    "outbound": "true or false",
    "detect_machines": "true or false",
    "outbound_to": "a list of numbers such as +4930123456, or +49* for all that begin so",
    "outbound_from": "a list of numbers such as +4930123456",
    "outbound_per_minute": "a whole number from 1 to 6000",
    "api_url": "an https address",
    "public_key": "the 44 characters of the public key in base64",
    "webhook_user": "a name without colons and spaces",
    "account": "an id of letters, digits, - and _",
    "application": "an id of letters, digits, - and _",
}

_OF_OUTBOUND = ("outbound_to", "outbound_from", "outbound_per_minute", "detect_machines")


def read_phone_providers(tables: object) -> tuple[PhoneProviderSettings, ...]:
    """Return the checked tables; raises `ValueError` that names the table, the field and its value."""
    if not isinstance(tables, list | tuple) or not all(
        isinstance(table, Mapping | PhoneProviderSettings) for table in cast("list[object]", tables)
    ):
        raise ValueError("is not a list of tables")
    held = cast("list[Mapping[str, Any] | PhoneProviderSettings]", tables)
    read = tuple(table if isinstance(table, PhoneProviderSettings) else _read(table) for table in held)
    if twice := [name for name, count in Counter(table.name for table in read).items() if count > 1]:
        raise ValueError(f"the name {twice[0]!r} is given twice")
    return read


def _read(table: Mapping[str, Any]) -> PhoneProviderSettings:
    called = str(table.get("name", "(without name)"))[:64]
    kind = _KINDS.get(called)
    if kind is None:
        given = "is missing" if "name" not in table else "is no provider"
        raise ValueError(f"{called!r}: name: {given}; the providers are {_ACCEPTED['name']}")
    try:
        provider = kind.model_validate(table)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_context=False)[0]
        field = str(detail["loc"][0])
        accepted = _ACCEPTED.get(field, f"the fields {', '.join(kind.model_fields)}")
        if field.endswith("_variable") and field in kind.model_fields:
            accepted = "the name of an environment variable"
        # A field that is not known, or ought to name a variable, may have been given a secret.
        may_be_secret = detail["type"] == "extra_forbidden" or field.endswith(("_variable", "_key"))
        value = "" if may_be_secret else f" {repr(table[field])[:60]}"
        raise ValueError(f"{called!r}: {field}:{value} is not accepted, but {accepted}") from None
    if provider.api_url and (problem := url_problem(provider.api_url)):
        raise ValueError(f"{called!r}: api_url: {without_passwords(provider.api_url)!r} {problem}")
    if is_unencrypted(provider.api_url or "https://"):
        raise ValueError(f"{called!r}: api_url: {provider.api_url!r} would carry the key unencrypted; use https")
    if provider.outbound and (missing := provider.lacks(("outbound_to", "outbound_from", *kind.controls_with))):
        raise ValueError(f"{called!r}: outbound: needs {' and '.join(missing)}")
    if not provider.outbound and (vain := [name for name in _OF_OUTBOUND if name in provider.model_fields_set]):
        raise ValueError(f"{called!r}: {vain[0]} has no effect without outbound = true")
    if any(number.endswith("*") for number in provider.outbound_from):
        raise ValueError(f"{called!r}: outbound_from: has a *; it lists whole numbers")
    if provider.outbound and kind in (TelnyxSettings, ExotelSettings) and provider.lacks(("application",)):
        raise ValueError(f"{called!r}: outbound: needs application")
    return provider


def may_call(provider: PhoneProviderSettings, number: str) -> bool:
    """Whether the operator allows outbound calls to a number."""
    return any(
        number.startswith(allowed[:-1])
        if allowed.endswith("*") and not re.match(r"sips?:", allowed)
        else number == allowed
        for allowed in provider.outbound_to
    )
