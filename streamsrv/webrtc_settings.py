"""The settings of WebRTC calls: `WebRtcSettings`, a part of `Settings`."""

import os
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from streamsrv.setting_values import MAX_PORT, MIN_MEDIA_PORT, Accepted, Workers, port_range


class WebRtcSettings(BaseModel):
    """Where the media of browsers' calls goes; `Settings` has them, too."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), frozen=True, allow_inf_nan=False)

    webrtc_processes: Workers = os.cpu_count() or 2
    """Most processes for the media of WebRTC calls; the first one starts when a call is expected."""
    webrtc_hosts: Annotated[
        tuple[IPv4Address | IPv6Address, ...], Accepted("IPv4 or IPv6 addresses, separated by commas or as a list")
    ] = ()
    """Addresses offered to WebRTC clients; empty: those of all interfaces, and loopback if `host` is loopback."""
    webrtc_public_addresses: Annotated[
        tuple[IPv4Address | IPv6Address, ...], Accepted("IPv4 or IPv6 addresses, separated by commas or as a list")
    ] = ()
    """Addresses under which clients reach the same UDP ports through NAT (published ports of a container, the public
    address of a cloud machine); offered besides the machine's own."""
    webrtc_ports: Annotated[
        str | None,
        Accepted(f"first-last, such as 50000-50100, from {MIN_MEDIA_PORT} to {MAX_PORT}, the lower one first"),
    ] = None
    """UDP ports of WebRTC media, as `first-last` (`50000-50100`): one for each call; None: any free port."""
    stun_server: Annotated[
        str | None, Field(pattern=r"^stun:[^\s:?/]+(:\d+)?$"), Accepted("stun:host or stun:host:port")
    ] = None
    """`stun:host:port`, to find the server's own address behind NAT; None: no STUN server is used."""
    turn_server: Annotated[
        str | None,
        Field(pattern=r"^turns?:[^\s:?/]+(:\d+)?(\?transport=(udp|tcp))?$"),
        Accepted("turn:host or turn:host:port, also turns:, also with ?transport=udp or ?transport=tcp at the end"),
    ] = None
    """`turn:host:port?transport=udp`, a relay for clients that cannot reach the server; None: no relay."""
    turn_username: Annotated[str | None, Accepted("a text")] = None
    turn_password: Annotated[SecretStr | None, Accepted("a text")] = None

    @field_validator("webrtc_ports")
    @classmethod
    def _is_port_range(cls, value: str | None) -> str | None:
        if value is not None:
            port_range(value)
        return value
