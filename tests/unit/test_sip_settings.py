"""The `[[sip_endpoint]]` table of the settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from streamsrv.settings import Settings
from streamsrv.transports.telephony.sip.endpoint import listen_message


def test_sip_is_off_by_default_and_on_loopback_if_it_is_on() -> None:
    assert Settings().sip_endpoint == ()
    (endpoint,) = Settings.model_validate({"sip_endpoint": [{}]}).sip_endpoint
    assert endpoint.address == "127.0.0.1"
    assert endpoint.peers == ("127.0.0.0/8", "::1")


def test_the_password_is_taken_from_its_variable() -> None:
    table = {"registrar": "sip:trunk.example", "user": "desk", "password_variable": "SIP_PASSWORD"}
    (endpoint,) = Settings.model_validate({"sip_endpoint": [table]}).sip_endpoint
    registrar = listen_message(endpoint, {"SIP_PASSWORD": "secret"}).registrar
    assert registrar is not None
    assert (registrar.user, registrar.password) == ("desk", "secret")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"address": "localhost"}, "address: 'localhost' is no IP address"),
        ({"port": 0}, "port: 0"),
        ({"port": 65535}, "port: 65535"),
        ({"transports": ["sctp"]}, "transports"),
        ({"transports": []}, "transports"),
        ({"peers": ["example.org"]}, "peers: 'example.org' is no address"),
        ({"codecs": ["opus"]}, "codecs"),
        ({"rtp_ports": "9-8"}, "rtp_ports: '9-8'"),
        ({"rtp_ports": "20000-20010"}, "rtp_ports: '20000-20010' has fewer than two ports"),
        ({"transports": ["tls"]}, "certificate: is missing"),
        ({"certificate": "a.pem"}, "certificate: has no effect"),
        ({"ca_file": "a.pem"}, "ca_file: has no effect"),
        ({"registration_seconds": 300}, "registration_seconds: has no effect without registrar"),
        ({"certificate": "a b\nsip_listen 0.0.0.0"}, "certificate"),
        ({"registrar": "sip:trunk.example"}, "user: is missing"),
        (
            {"registrar": "sip:t.example", "user": "a", "transports": ["tls"], "certificate": "a.pem"},
            "ca_file: is missing",
        ),
        ({"user": "desk"}, "user: has no effect"),
        ({"registrar": "sip:t.example", "user": 'a";x'}, "user"),
        ({"registrar": "trunk.example", "user": "a"}, "registrar"),
        ({"srtp": "yes"}, "srtp"),
        ({"max_calls": 0}, "max_calls"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match="sip_endpoint") as caught:
        Settings.model_validate({"sip_endpoint": [table]})
    assert problem in str(caught.value)


def test_a_field_that_is_not_known_is_not_repeated_with_its_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"sip_endpoint": [{"password": "hunter2"}]})
    assert "password" in caught.value.errors()[0]["msg"]
    assert "hunter2" not in caught.value.errors()[0]["msg"]


def test_there_is_one_endpoint_at_most() -> None:
    with pytest.raises(ValidationError, match="2 tables; one is accepted"):
        Settings.model_validate({"sip_endpoint": [{}, {"port": 5070}]})
