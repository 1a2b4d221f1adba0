"""How Debian's Chromium is started for tests."""

from pathlib import Path

CHROMIUM = Path("/usr/lib/chromium/chromium")
"""Not /usr/bin/chromium, a wrapper that adds keys of Google's services and remote extensions."""

ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)
