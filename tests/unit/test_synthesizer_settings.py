"""The synthesisers that the settings name."""

import pytest

from streamsrv.configuration.advice import advice
from streamsrv.configuration.reading import Configuration, ConfigurationError, read_configuration
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.selection import select_models
from streamsrv.settings import Settings


def read(**flags: str) -> Configuration:
    return read_configuration(flags, environ={})


@pytest.mark.parametrize(
    ("given", "chains", "spare"),
    [
        ({}, {"": ["hibari"]}, "espeak"),
        ({"synthesizer": "auto"}, {"": ["hibari"]}, "espeak"),
        ({"synthesizer": "espeak, hibari"}, {"": ["espeak", "hibari"]}, None),
        ({"synthesizer": ["hibari"]}, {"": ["hibari"]}, None),
        ({"synthesizer": "none"}, {"": []}, None),
        ({"synthesizer": "none", "synthesizer_by_language": "de=espeak"}, {"": []}, None),
        (
            {"synthesizer_by_language": "de=espeak; fr = espeak"},
            {"": ["hibari"], "de": ["espeak"], "fr": ["espeak"]},
            None,
        ),
        ({"synthesizer_by_language": {"de": ["espeak"]}}, {"": ["hibari"], "de": ["espeak"]}, None),
        ({"synthesizer_by_language": "de=piper-thorsten"}, {"": ["hibari"], "de": ["piper-thorsten"]}, "espeak"),
    ],
)
def test_synthesisers_are_given_as_a_list_or_as_a_text(given: dict, chains: dict[str, list[str]], spare: str | None):
    settings = Settings.model_validate(given)
    selected = select_models(settings, load_catalogue(), {})
    assert {code: [entry.name for entry in chain] for code, chain in selected.synthesizers.items()} == chains
    assert (selected.spare_synthesizer.name if selected.spare_synthesizer else None) == spare
    if spare is not None:
        assert spare in [entry.name for entry in selected.optional], "the server starts without it"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"synthesizer": "hibari,hibari"}, "'hibari' is named twice"),
        ({"synthesizer": "hibari,none"}, "'none' turns speech off, so it stands alone"),
        ({"synthesizer": "auto,espeak"}, "'auto' leaves the choice to the server, so it stands alone"),
        ({"synthesizer": "hibary"}, "synthesizer: 'hibary'; did you mean hibari?"),
        ({"synthesizer": "silero"}, "synthesizer: 'silero' is a vad, not a synthesizer"),
        ({"synthesizer_by_language": "de=hibari"}, "de: 'hibari' does not know this language; it knows en"),
        ({"synthesizer_by_language": "xx=espeak"}, "synthesizer_by_language: 'xx'; accepted: an ISO 639-1 code"),
        ({"synthesizer_by_language": "de"}, "'de' has no models"),
        ({"synthesizer_patience_ms": "-1"}, "synthesizer_patience_ms: '-1'"),
    ],
)
def test_synthesisers_that_cannot_be_are_refused(given: dict, message: str):
    with pytest.raises(ConfigurationError) as raised:
        read(**given)
    assert message in str(raised.value)


def test_chains_of_voices_without_speech_are_in_vain():
    (line,) = advice(read(synthesizer="none", synthesizer_by_language="de=espeak"), {})
    assert "synthesizer_by_language has no effect while synthesizer is none" in line
