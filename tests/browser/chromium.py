"""How Debian's Chromium is started for tests."""

from pathlib import Path

CHROMIUM = Path("/usr/lib/chromium/chromium")
"""Not /usr/bin/chromium, a wrapper that adds keys of Google's services and remote extensions."""

SHARED_TITLE = "To be captioned"
"""A tab with this title is the one that the user is taken to share, where a page asks for a tab."""

ARGUMENTS = (
    f"--auto-select-tab-capture-source-by-title={SHARED_TITLE}",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)
