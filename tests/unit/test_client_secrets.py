"""Client secrets: signed, expiring, good for one session."""

from hashlib import sha256

import pytest

from streamsrv.access import client_secrets
from streamsrv.access.client_secrets import MAX_SECRET_CHARS, ClientSecrets, NoRoomForSecrets, UnusableSecret
from streamsrv.protocol.session_object import Session, transcription_session

KEY = b"k" * 32
NOW = 1_800_000_000
SMALL = Session(id="sess_1", expires_at=NOW + 3600, model="any", instructions="Speak slowly.")


def large(session_id: str = "sess_large") -> Session:
    """A session that no header could hold, however well it is compressed."""
    noise = "".join(sha256(bytes([number])).hexdigest() for number in range(200))
    return Session(id=session_id, expires_at=NOW + 3600, instructions=noise)


@pytest.fixture
def secrets() -> ClientSecrets:
    return ClientSecrets(KEY)


def make(secrets: ClientSecrets, session: Session, expires_at_s: int = NOW + 600, now_s: int = NOW) -> str:
    return secrets.make(session, key_id="key_1", expires_at_s=expires_at_s, now_s=now_s)


def use(secrets: ClientSecrets, secret: str, now_s: int = NOW) -> Session:
    """The session of a secret, which is used up by this."""
    grant = secrets.check(secret, now_s)
    session = secrets.peek(grant, now_s)
    secrets.redeem(grant, now_s)
    return session


def refused(secrets: ClientSecrets, secret: str, now: int = NOW) -> str:
    """The code with which a secret is refused, by `check` as by `peek` and `redeem`."""
    with pytest.raises(UnusableSecret) as checked:
        secrets.check(secret, now)
    if (grant := secrets.identify(secret)) is not None:
        for refuse in (secrets.peek, secrets.redeem):
            with pytest.raises(UnusableSecret) as refused:
                refuse(grant, now)
            assert refused.value.message == checked.value.message
    assert checked.value.status == 401
    return checked.value.code


@pytest.mark.parametrize("session", [SMALL, transcription_session("sess_2"), large()], ids=lambda held: held.id)
def test_a_secret_gives_back_its_session(secrets: ClientSecrets, session: Session):
    secret = make(secrets, session)
    assert use(secrets, secret, NOW + 599) == session


@pytest.mark.parametrize("session", [SMALL, large()], ids=lambda held: held.id)
def test_a_secret_fits_into_a_websocket_subprotocol(secrets: ClientSecrets, session: Session):
    secret = make(secrets, session)
    assert secret.startswith("ek_")
    assert len(secret) <= MAX_SECRET_CHARS
    assert secret.replace("-", "").replace("_", "").isalnum()


def test_checking_does_not_use_a_secret_up(secrets: ClientSecrets):
    secret = make(secrets, SMALL)
    secrets.check(secret, NOW)
    secrets.check(secret, NOW)
    assert use(secrets, secret) == SMALL


@pytest.mark.parametrize("session", [SMALL, large()], ids=lambda held: held.id)
def test_a_secret_opens_one_session(secrets: ClientSecrets, session: Session):
    secret = make(secrets, session)
    use(secrets, secret)
    assert refused(secrets, secret) == "client_secret_used"


def test_a_secret_expires(secrets: ClientSecrets):
    secret = make(secrets, SMALL)
    assert refused(secrets, secret, NOW + 600) == "client_secret_expired"


def test_no_character_of_a_secret_can_be_changed(secrets: ClientSecrets):
    secret = make(secrets, SMALL)
    for place in range(3, len(secret) - 1):
        other = "A" if secret[place] != "A" else "B"
        assert refused(secrets, secret[:place] + other + secret[place + 1 :]) == "invalid_api_key"


@pytest.mark.parametrize("secret", ["ek_", "ek_none", "ek_\u00e4", "ek_====", "ek_" + "A" * 5000])
def test_what_is_no_secret_is_refused(secrets: ClientSecrets, secret: str):
    assert refused(secrets, secret) == "invalid_api_key"


def test_a_secret_of_another_key_is_refused(secrets: ClientSecrets):
    foreign = make(ClientSecrets(b"x" * 32), SMALL)
    assert refused(secrets, foreign) == "invalid_api_key"


def test_a_secret_outlives_a_restart_with_the_same_key(secrets: ClientSecrets):
    assert use(ClientSecrets(KEY), make(secrets, SMALL)) == SMALL


def test_a_large_session_does_not_outlive_a_restart_and_says_so(secrets: ClientSecrets):
    secret = make(secrets, large())
    assert refused(ClientSecrets(KEY), secret) == "client_secret_lost"


def test_large_sessions_are_bounded_and_expired_ones_make_room(secrets: ClientSecrets, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client_secrets, "MAX_KEPT_BYTES", 10_000)
    make(secrets, large("sess_1"), NOW + 10)
    with pytest.raises(NoRoomForSecrets):
        make(secrets, large("sess_2"))
    assert make(secrets, SMALL), "what needs no room is served"
    assert make(secrets, large("sess_2"), NOW + 600, NOW + 10)


def make_and_use(secrets: ClientSecrets, session_id: str, expires_at_s: int, now_s: int) -> None:
    use(secrets, make(secrets, Session(id=session_id, expires_at=0), expires_at_s, now_s), now_s)


def test_used_secrets_are_bounded_and_expired_ones_are_forgotten(
    secrets: ClientSecrets, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client_secrets, "MAX_USED", 2)
    make_and_use(secrets, "sess_1", NOW + 10, NOW)
    make_and_use(secrets, "sess_2", NOW + 600, NOW)
    with pytest.raises(NoRoomForSecrets):
        make_and_use(secrets, "sess_3", NOW + 600, NOW)
    make_and_use(secrets, "sess_3", NOW + 600, NOW + 10)
