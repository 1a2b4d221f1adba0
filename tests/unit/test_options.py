"""Options of a `[[model]]`: what is accepted, and how mistakes are explained."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import Field

from streamsrv.engines.catalogue import CatalogueError, ModelEntry, load_catalogue
from streamsrv.engines.options import NoOptions, read_options
from streamsrv.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Options:
    size: Annotated[int, Field(ge=1)]
    speed: float = 1.0
    address: Annotated[str, Field(pattern="^https?://")] = "http://here"


def entry(**options: Any) -> ModelEntry:
    return ModelEntry("mine", "chat", "any", options=options)


def test_options_are_read_with_their_defaults():
    assert read_options(Options, entry(size=2, speed=2)) == Options(2, 2)
    assert read_options(NoOptions, entry()) == NoOptions()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": "2"}, "size: '2': should be a valid integer"),
        ({"size": 0}, "size: 0: should be greater than or equal to 1"),
        ({}, "size is missing"),
        ({"size": 1, "sped": 2.0}, "'sped' is not an option; did you mean speed? (accepted: size, speed, address)"),
        ({"size": 1, "speed": True}, "speed: True"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_accepted(options: dict[str, Any], said: str):
    with pytest.raises(Unavailable) as raised:
        read_options(Options, entry(**options))
    assert str(raised.value).startswith("The options of mine are wrong: ")
    assert said in str(raised.value)


def test_a_password_in_an_address_is_not_repeated():
    with pytest.raises(Unavailable) as raised:
        read_options(Options, entry(size=1, address="ftp://user:secret@host"))
    assert "secret" not in str(raised.value)


def test_an_unknown_engine_is_answered_with_the_engines_of_its_kind():
    with pytest.raises(CatalogueError, match="engine: 'llamacp' is not an engine of kind chat; did you mean llamacpp"):
        load_catalogue([{"name": "m", "kind": "chat", "engine": "llamacp"}])
    with pytest.raises(CatalogueError, match=r"'pauses' is not an engine of kind recognizer; accepted: .*moonshine"):
        load_catalogue([{"name": "m", "kind": "recognizer", "engine": "pauses"}])
