"""A request of a telephone provider, and its fields. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

from streamsrv.protocol.json_values import UnreadableJson, read_json

MAX_FIELDS = 200
"""Fields of the longest form or query."""
MAX_NAME_CHARS = 256
"""Characters of the name of a call."""
Pairs = tuple[tuple[str, str], ...]


class BadWebhook(Exception):
    """A request that cannot be what the provider sends; the text names the field and what is accepted."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request. `url`: as the provider has it, with the query. `headers`: by names in small letters."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def query(self) -> Pairs:
        return _pairs(self.url.partition("?")[2])

    @property
    def is_json(self) -> bool:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"

    @property
    def form(self) -> Pairs:
        """The fields of the body; none if it is no form."""
        if self.is_json or not self.body:
            return ()
        try:
            return _pairs(self.body.decode())
        except UnicodeDecodeError:
            raise BadWebhook("The body is not UTF-8; accepted: a form or JSON.") from None

    @property
    def json(self) -> dict[str, Any]:
        """The object in the body; empty if it is not JSON."""
        if not self.is_json or not self.body:
            return {}
        try:
            value = read_json(self.body)
        except UnreadableJson as error:
            raise BadWebhook(f"The body cannot be read: {error}.") from None
        if not isinstance(value, dict):
            raise BadWebhook("The body is not a JSON object.")
        return cast("dict[str, Any]", value)

    @property
    def fields(self) -> dict[str, str]:
        """The texts of the query, the form or the JSON object together; those of the body come first."""
        given = {name: str(value) for name, value in self.json.items() if isinstance(value, str | int | float | bool)}
        return dict(self.query) | dict(self.form) | given

    def call_name(self, *names: str) -> str:
        """Return the provider's name of the call, which the first of these fields has; raises `BadWebhook`."""
        fields = self.fields
        name = next((name for name in names if fields.get(name)), names[0])
        return checked_name(fields.get(name, ""), name)


def checked_name(call: str, field: str) -> str:
    """Return a provider's name of a call, which becomes one part of a path; raises `BadWebhook`."""
    if not call:
        raise BadWebhook(f"The field '{field}' is missing.")
    if len(call) > MAX_NAME_CHARS:
        raise BadWebhook(f"The field '{field}' has {len(call)} characters; accepted are {MAX_NAME_CHARS}.")
    if call in (".", "..") or not (call.isascii() and call.isprintable()):
        raise BadWebhook(f"The field '{field}' is {call[:64]!a}; accepted is a name of printable ASCII characters.")
    return call


def _pairs(text: str) -> Pairs:
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError as error:
        raise BadWebhook(f"The form cannot be read: {error}.") from None
