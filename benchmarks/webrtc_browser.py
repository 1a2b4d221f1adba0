"""A caller for `webrtc.py` in a Chromium page: measures what a browser user would hear."""

from pathlib import Path

from playwright.async_api import async_playwright

CHROMIUM = Path("/usr/lib/chromium/chromium")
"""The browser itself, not the wrapper /usr/bin/chromium, which adds keys of Google's services and remote extensions."""
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)
PAGE = Path(__file__).with_name("webrtc_page.js")


async def page_round_trips(url: str, seconds: float) -> list[float]:
    """Return the ms until each click of a call to `http://host:port` returned to the page; the first ones settle."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = await browser.new_page()
        await page.goto(f"{url}/healthz")  # any document of the server's origin works, also a 404
        await page.add_script_tag(path=PAGE)
        delays: list[float] = await page.evaluate("(seconds) => measure(seconds)", seconds)
        await browser.close()
        return delays
