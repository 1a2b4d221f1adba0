"""What is told before the models load, if SIP cannot start."""

import socket
from pathlib import Path

import pytest

from streamsrv.cli.doctor import check_sip_endpoint
from streamsrv.errors import Unavailable
from streamsrv.settings import Settings
from streamsrv.sip_settings import SipEndpointSettings
from streamsrv.transports.telephony.sip import needs

HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(needs, "is_installed", lambda name: True)


@pytest.mark.parametrize(("transport", "kind"), [("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)])
def test_a_port_that_is_taken_is_told(transport: str, kind: socket.SocketKind):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((HOST, 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(sip_endpoint=[{"port": port, "transports": [transport]}], phone_number=[{"numbers": ["1"]}])
        with pytest.raises(Unavailable, match=f"{HOST} {transport.upper()} port {port}: Address already in use"):
            needs.check_sip_ports(settings.sip_endpoint[0])
        (finding,) = check_sip_endpoint(settings)
        assert finding.state == "note"
    needs.check_sip_ports(settings.sip_endpoint[0])
    (finding,) = check_sip_endpoint(settings)
    assert (finding.state, finding.detail) == ("ok", f"calls are taken at {HOST} port {port} ({transport})")


def test_a_package_that_is_missing_is_told_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(needs, "is_installed", lambda name: False)
    with pytest.raises(Unavailable, match=r"pip install 'streamsrv\[sip\]'"):
        needs.check_sip(SipEndpointSettings())
    (finding,) = check_sip_endpoint(Settings(sip_endpoint=[{}]))
    assert finding.state == "failed"
    assert check_sip_endpoint(Settings()) == []


def test_files_that_are_missing_or_no_certificates_are_told(tmp_path: Path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    for path, reason in ((tmp_path / "none.pem", "No such file"), (wrong, "it cannot be read as one")):
        for field in ("certificate", "ca_file"):
            settings = SipEndpointSettings().model_copy(update={field: str(path)})
            with pytest.raises(Unavailable, match=f"{field}: '{path}' must be a PEM file with .*{reason}"):
                needs.check_sip(settings, {})


def test_an_empty_variable_of_the_password_is_told():
    fields = {"registrar": "sip:trunk.example", "user": "desk", "password_variable": "SIP_PASSWORD"}
    settings = SipEndpointSettings.model_validate(fields)
    with pytest.raises(Unavailable, match="SIP_PASSWORD is not set"):
        needs.check_sip(settings, {})
    needs.check_sip(settings, {"SIP_PASSWORD": "secret"})
