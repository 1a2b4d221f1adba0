"""Firefox ESR with the real sound card: it has no speech recognition at all, which no double can show."""

from firefox import Firefox
from server_process import ServerProcess


def test_firefox_has_no_speech_recognition(server: ServerProcess, firefox: Firefox) -> None:
    firefox.open(server.url + "/")
    assert firefox.evaluate("'SpeechRecognition' in window || 'webkitSpeechRecognition' in window") is False
