"""Tracing where its packages are not installed."""

import sys

import pytest

from streamsrv.errors import Unavailable
from streamsrv.observability.tracing import open_tracing


def test_missing_packages_are_one_line_that_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch):
    """`None` in `sys.modules` makes an import fail."""
    for name in ("opentelemetry.sdk", "opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable, match=r"pip install 'streamsrv\[otel\]'") as refused:
        open_tracing(with_words=False)
    assert "\n" not in str(refused.value)
