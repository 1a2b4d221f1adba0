"""The `[[sip_endpoint]]` table of the settings, checked: where calls over SIP are taken, and from whom."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from streamsrv.setting_values import MAX_PORT, MIN_MEDIA_PORT
from streamsrv.tool_settings import VARIABLE

SipCodec = Literal["G722", "PCMU", "PCMA"]
Line = Annotated[str, Field(max_length=255, pattern=r"^[^\s;<>\"'\\]*$")]
"""A text that becomes a part of the stack's configuration."""
FilePath = Annotated[str, Field(max_length=255, pattern=r"^[^\s\"]*$")]


class SipEndpointSettings(BaseModel):
    """One address for SIP. TLS, if it is among `transports`, has the next higher port."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    address: str = "127.0.0.1"
    """IP address of an interface; `0.0.0.0` is all of them."""
    port: Annotated[int, Field(ge=1, le=MAX_PORT - 1)] = 5060
    transports: Annotated[tuple[Literal["udp", "tcp", "tls"], ...], Field(min_length=1)] = ("udp", "tcp")
    peers: tuple[str, ...] = ("127.0.0.0/8", "::1")
    """Addresses and networks whose calls are taken; those of others are rejected."""
    codecs: Annotated[tuple[SipCodec, ...], Field(min_length=1)] = ("G722", "PCMU", "PCMA")
    """In the order of preference."""
    rtp_ports: str = "16384-17383"
    """First and last UDP port of RTP, two for each call."""
    max_calls: Annotated[int, Field(ge=1, le=1000)] = 100
    """Calls at once; further ones are rejected (486)."""
    srtp: Literal["off", "optional", "required"] = "off"
    certificate: FilePath = ""
    """PEM file with the certificate and its key, for TLS."""
    ca_file: FilePath = ""
    """PEM file with the authorities that the certificate of a registrar is checked against."""
    registrar: Annotated[str, Field(pattern=r"^(sips?:[A-Za-z0-9.:\[\]-]{1,200})?$")] = ""
    """Where the server registers, so that calls come to it: `sip:HOST` or `sip:HOST:PORT`."""
    user: Line = ""
    auth_user: Line = ""
    """The name for the digest authentication, if it is not `user`."""
    password_variable: Annotated[str, Field(pattern=rf"{VARIABLE}|^$")] = ""
    """Name of the environment variable with the password."""
    registration_seconds: Annotated[int, Field(ge=30, le=86_400)] = 300

    @property
    def port_range(self) -> tuple[int, int]:
        return _range(self.rtp_ports)

    @model_validator(mode="after")
    def _fits(self) -> "SipEndpointSettings":
        _check_networks(self)
        first, last = _range(self.rtp_ports)
        if last - first + 1 < 2 * self.max_calls:
            raise ValueError(f"rtp_ports: {self.rtp_ports!r} has fewer than two ports for each of max_calls")
        if "tls" in self.transports and not self.certificate:
            raise ValueError("certificate: is missing, and transports has tls")
        for field in ("certificate", "ca_file"):
            if field in self.model_fields_set and "tls" not in self.transports:
                raise ValueError(f"{field}: has no effect without tls in transports")
        if self.registrar and self.transports[0] == "tls" and not self.ca_file:
            raise ValueError("ca_file: is missing, and a registrar over tls, the first of transports, needs it")
        if self.registrar and not self.user:
            raise ValueError("user: is missing, and registrar needs it")
        for field in ("user", "auth_user", "password_variable", "registration_seconds"):
            if field in self.model_fields_set and not self.registrar:
                raise ValueError(f"{field}: has no effect without registrar")
        return self


def _check_networks(settings: SipEndpointSettings) -> None:
    try:
        ip_address(settings.address)
    except ValueError:
        raise ValueError(f"address: {settings.address[:60]!r} is no IP address") from None
    for peer in settings.peers:
        try:
            ip_network(peer, strict=False)
        except ValueError:
            raise ValueError(f"peers: {peer[:60]!r} is no address and no network such as 10.0.0.0/8") from None


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if dash and first.isdecimal() and last.isdecimal() and MIN_MEDIA_PORT <= int(first) < int(last) <= MAX_PORT:
        return int(first), int(last)
    raise ValueError(f"rtp_ports: {text[:60]!r} is not accepted, but first-last, such as 16384-17383, is")


def read_sip_endpoints(tables: object) -> tuple[SipEndpointSettings, ...]:
    """Return the checked table, in a tuple; raises `ValueError` that names the field and its value."""
    if not isinstance(tables, list | tuple) or not all(
        isinstance(table, Mapping | SipEndpointSettings) for table in cast("list[object]", tables)
    ):
        raise ValueError("is not a list of tables")
    held = cast("list[Mapping[str, Any] | SipEndpointSettings]", tables)
    if len(held) > 1:
        raise ValueError(f"there are {len(held)} tables; one is accepted")
    return tuple(table if isinstance(table, SipEndpointSettings) else _read(table) for table in held)


def _read(table: Mapping[str, Any]) -> SipEndpointSettings:
    try:
        return SipEndpointSettings.model_validate(table)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        if not detail["loc"]:
            raise ValueError(str(detail.get("ctx", {}).get("error", detail["msg"]))) from None
        field = str(detail["loc"][0])
        # A field that is not known, or ought to name a variable, may have been given a secret.
        is_known = field in SipEndpointSettings.model_fields
        value = f" {repr(table[field])[:60]}" if is_known and not field.endswith("_variable") else ""
        accepted = detail["msg"] if is_known else f"the fields {', '.join(SipEndpointSettings.model_fields)}"
        raise ValueError(f"{field}:{value} is not accepted: {accepted}") from None
