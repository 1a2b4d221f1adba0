"""What the stack is told when it starts."""

from typing import Any

from streamsrv.sip.messages import Listen

USER = "streamsrv"
HEADERS = (
    "From",
    "To",
    "Contact",
    "User-Agent",
    "P-Asserted-Identity",
    "P-Called-Party-ID",
    "Remote-Party-ID",
    "Diversion",
    "Referred-By",
    "X-Call-ID",
)
"""The headers of an INVITE that become known; at most 16."""
CODECS = {"G722": "G722/16000/1", "PCMU": "PCMU/8000/1", "PCMA": "PCMA/8000/1"}
_ENCRYPTION = {"off": "", "optional": ";mediaenc=srtp", "required": ";mediaenc=srtp-mand"}


def configuration(stack: Any, listen: Listen) -> Any:
    """Return the `baresip.Config`."""
    host = f"[{listen.address}]" if ":" in listen.address else listen.address
    first, last = listen.ports
    lines = [
        f"sip_listen {host}:{listen.port}",
        f"sip_transports {','.join(listen.transports)}",
        f"rtp_ports {first}-{last}",
        "audio_jitter_buffer_type adaptive",
        "audio_jitter_buffer_ms 40-200",
        "audio_buffer 20-160",
        "rtp_timeout 60",
    ]
    if listen.certificate:
        lines.append(f"sip_certificate {listen.certificate}")
    if listen.ca_file:
        lines.append(f"sip_cafile {listen.ca_file}")
    wildcard = listen.address in ("0.0.0.0", "::")
    return stack.Config(
        net_interface=None if wildcard else listen.address,
        expose_headers=HEADERS,
        sip_trace=True,
        max_concurrent_calls=listen.max_calls,
        extra_config_text="\n".join(lines) + "\n",
    )


def account(listen: Listen, transport: str) -> str:
    """Return the address of whoever is called without a registration."""
    return f"<sip:{USER}@{_host(listen)};transport={transport}>;regint=0;catchall=yes{_media(listen)}"


def registering_account(listen: Listen) -> str:
    """Return the address that is registered."""
    registrar = listen.registrar
    assert registrar is not None
    host = registrar.uri.partition(":")[2].partition(";")[0]
    uri = f"<sip:{registrar.user}@{host};transport={listen.transports[0]}>"
    login = f';auth_user={registrar.auth_user or registrar.user};auth_pass="{registrar.password}"'
    return f"{uri};regint={registrar.expires_s}{login}{_media(listen)}"


def _media(listen: Listen) -> str:
    codecs = ",".join(CODECS[name] for name in listen.codecs)
    return f";answermode=manual;audio_codecs={codecs}{_ENCRYPTION[listen.srtp]}"


def _host(listen: Listen) -> str:
    return f"[{listen.address}]" if ":" in listen.address else listen.address
