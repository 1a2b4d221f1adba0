"""The catalogue states what a remote recogniser can do: a client is checked before it is loaded. No provider is asked.

For the recognisers of this machine the conformance suite checks that.
"""

from dataclasses import replace

import pytest

from streamsrv.engines.asr.base import Recognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.recognizer_library import stated_abilities
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler

CATALOGUE = load_catalogue()


@pytest.mark.parametrize(
    "name", [entry.name for entry in CATALOGUE.entries("recognizer") if entry.hardware == "remote"]
)
def test_the_catalogue_states_what_a_remote_recogniser_can_do(name: str, monkeypatch: pytest.MonkeyPatch):
    entry = CATALOGUE[name]
    if entry.key_variable:
        monkeypatch.setenv(entry.key_variable, "no-key")
    scheduler = Scheduler(1)
    loader = EngineLoader(CATALOGUE, ModelStore(), scheduler)
    if lacking := loader.needs(entry):
        pytest.skip(f"{name} needs {', '.join(map(str, lacking))}")
    recognizer: Recognizer = loader.load(entry)
    stated, real = stated_abilities(entry), recognizer.abilities
    assert real.languages >= stated.languages or not real.languages
    assert stated == replace(
        real,
        languages=stated.languages,
        final_deadline_s=stated.final_deadline_s,
        stall_deadline_s=stated.stall_deadline_s,
    )
    scheduler.close()
