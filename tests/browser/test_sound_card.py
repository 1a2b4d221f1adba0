"""The bench itself: what is said into the virtual microphone reaches a page, and what a page plays is recorded."""

from pathlib import Path

from playwright.sync_api import Page

from pages import Pages
from server_process import ServerProcess
from sound_card import Recording, SoundCard

LISTEN = """async () => {
  const options = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(await navigator.mediaDevices.getUserMedia({ audio: options })).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  window.loudest = 0;
  setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    window.loudest = Math.max(window.loudest, ...samples.map(Math.abs));
  }, 20);
}"""

BEEP = """async () => {
  const context = new AudioContext();
  const beep = context.createOscillator();
  beep.connect(context.destination);
  beep.start();
  beep.stop(context.currentTime + 0.5);
}"""


def open_blank(server: ServerProcess, pages: Pages) -> Page:
    """A page of the server's origin with nothing in it: not even the icon that browsers ask for."""
    pages.allow("favicon.ico")
    return pages.open(server.url + "/healthz")


def test_the_microphone_hears_what_is_said(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, recordings: Path
) -> None:
    page = open_blank(server, pages)
    page.evaluate(LISTEN)
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    page.wait_for_function("window.loudest > 0.05")


def test_the_speaker_is_recorded(server: ServerProcess, pages: Pages, speaker: Recording) -> None:
    page = open_blank(server, pages)
    page.evaluate(BEEP)
    speaker.wait_for_sound(300)
    speaker.wait_for_quiet(500)
