"""Says what SIP still needs before calls can be taken."""

import os
import socket
import ssl
from collections.abc import Iterator, Mapping

from streamsrv.engines.readiness.needs import is_installed
from streamsrv.errors import Unavailable
from streamsrv.sip_settings import SipEndpointSettings

EXTRA = "pip install 'streamsrv[sip]'"


def check_sip(settings: SipEndpointSettings, environ: Mapping[str, str] = os.environ) -> None:
    """Raise `Unavailable` if a package, a variable or a file is missing that SIP needs."""
    if not is_installed("baresip"):
        raise Unavailable(f"sip_endpoint needs a package that is not installed: {EXTRA}")
    if (variable := settings.password_variable) and not environ.get(variable):
        raise Unavailable(f"sip_endpoint: password_variable: the environment variable {variable} is not set")
    _check_file("certificate", settings.certificate)
    _check_file("ca_file", settings.ca_file)


def check_sip_ports(settings: SipEndpointSettings) -> None:
    """Raise `Unavailable` if an address of the signalling cannot be had."""
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    for kind, port in _ports(settings):
        with socket.socket(family, kind) as probe:
            if kind is socket.SOCK_STREAM:  # connections that are still closing do not count
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.address, port))
            except OSError as error:
                protocol = "TCP" if kind is socket.SOCK_STREAM else "UDP"
                raise Unavailable(
                    f"SIP cannot listen on {settings.address} {protocol} port {port}: {error.strerror}; "
                    "see address and port of sip_endpoint"
                ) from None


def _ports(settings: SipEndpointSettings) -> Iterator[tuple[socket.SocketKind, int]]:
    if "udp" in settings.transports:
        yield socket.SOCK_DGRAM, settings.port
    if "tcp" in settings.transports:
        yield socket.SOCK_STREAM, settings.port
    if "tls" in settings.transports:
        yield socket.SOCK_STREAM, settings.port + 1


def _check_file(field: str, path: str) -> None:
    if not path:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if field == "certificate":
            # The password keeps OpenSSL from asking for one at the terminal.
            context.load_cert_chain(path, password=lambda: "")
        else:
            context.load_verify_locations(path)
    except (OSError, ValueError) as error:
        holds = "a certificate and its key" if field == "certificate" else "certificates"
        known = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError)
        reason = error.strerror if known else "it cannot be read as one"
        raise Unavailable(f"sip_endpoint: {field}: '{path}' must be a PEM file with {holds}: {reason}") from None
