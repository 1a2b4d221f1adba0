"""The proxies of `deploy/`, each where it is installed."""

import pytest

from certificates import Certificate, make_certificate
from reverse_proxies import PROXIES, missing


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module", params=list(PROXIES))
def proxy_name(request: pytest.FixtureRequest) -> str:
    """The name of a proxy; skips where it is not installed."""
    if reason := missing(request.param):
        pytest.skip(reason)
    return request.param
