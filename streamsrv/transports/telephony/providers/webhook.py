"""A request of a telephone provider, and its fields. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

from streamsrv.protocol.json_values import UnreadableJson, read_json

MAX_FIELDS = 200
"""Fields of the longest form or query."""
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

    def required(self, *names: str) -> str:
        """Return the first of these fields that is there; raises `BadWebhook`."""
        fields = self.fields
        found = next((fields[name] for name in names if fields.get(name)), "")
        if not found:
            raise BadWebhook(f"The field '{names[0]}' is missing.")
        if len(found) > 256:
            raise BadWebhook(f"The field '{names[0]}' has {len(found)} characters; accepted are 256.")
        return found


def _pairs(text: str) -> Pairs:
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError as error:
        raise BadWebhook(f"The form cannot be read: {error}.") from None
