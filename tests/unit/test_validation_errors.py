"""What the error for a value of a wrong type or range says: the field, the value, and all that is accepted."""

import time
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from streamsrv.protocol.errors import from_validation


class Near(Struct, tag="near"):
    distance: int = 0


class Far(Struct, tag="far"):
    pass


class Wishes(Struct):
    mode: Literal["auto"] | Near = "auto"
    only: Literal["one", "two"] = "one"
    limit: Annotated[int, Meta(ge=1)] | Literal["all"] | None = None
    each: list[Literal["a", "b"]] = []
    place: Near | Far | None = None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("mode", "manual", "accepted are 'auto', an object with the type 'near'"),
        ("mode", 7, "expected `object`, 'auto'; got `int`"),
        ("only", "three", "accepted are 'one', 'two'"),
        ("only", None, "expected 'one', 'two'; got `null`"),
        ("limit", "most", "accepted are 'all', a whole number, null"),
        ("limit", 0, "expected `int` >= 1 or 'all'"),
        ("limit", 0.5, "expected `int | null`, 'all'; got `float`"),
        ("place", 7, "expected `object | null`, got `int`"),
    ],
)
def test_a_bad_value_is_refused_with_all_that_is_accepted(field: str, value: Any, said: str):
    assert refusal({field: value}) == (field, f"Invalid value {shown(value)} for '{field}': {said}.")


def test_the_entry_of_a_list_is_named():
    assert refusal({"each": ["a", 3]}) == ("each[1]", "Invalid value 3 for 'each[1]': expected 'a', 'b'; got `int`.")


@pytest.mark.parametrize(
    ("value", "said"), [("middle", "accepted are 'near', 'far'"), (3, "expected 'near', 'far'; got `int`")]
)
def test_the_type_of_an_object_is_refused_with_those_that_there_are(value: Any, said: str):
    assert refusal({"place": {"type": value}}) == (
        "place.type",
        f"Invalid value {shown(value)} for 'place.type': {said}.",
    )


class Slow(Struct, tag="slow"):
    rate: Literal[8] = 8


class Fast(Struct, tag="fast"):
    rate: Literal[24] = 24


class Paces(Struct):
    paces: list[Slow | Fast]


@pytest.mark.parametrize(("kind", "accepted"), [("slow", "8"), ("fast", "24")])
def test_what_is_accepted_is_that_of_the_object_which_was_meant(kind: str, accepted: str):
    value = {"paces": [{"type": kind, "rate": 16}]}
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(value, Paces)
    message = from_validation(raised.value, value, Paces).message
    assert message == f"Invalid value 16 for 'paces[0].rate': accepted are {accepted}."


def test_an_unknown_field_of_the_only_object_is_refused_with_its_fields():
    class Strict(Struct, tag="strict", forbid_unknown_fields=True):
        size: int = 0

    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert({"x": 1}, Literal["auto"] | Strict)
    error = from_validation(refused.value, {"x": 1}, Literal["auto"] | Strict, "mode")
    assert error.message == "Unknown parameter: 'mode.x'. Accepted there: 'type', 'size'."


def refusal(given: dict[str, Any]) -> tuple[str | None, str]:
    """The field and the message of the error."""
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(given, Wishes)
    error = from_validation(refused.value, given, Wishes)
    return error.param, error.message


def shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@pytest.mark.parametrize("value", ["near - at `$.only`", "`$.only", "`key` in `$.only`", "near`"])
def test_a_value_that_looks_like_the_end_of_an_error_does_not_hide_the_field(value: str):
    field, said = refusal({"only": value})
    assert field == "only"
    assert said == f"Invalid value {shown(value)} for 'only': accepted are 'one', 'two'."


def test_no_search_goes_through_each_character_of_a_long_value_that_is_no_choice():
    """An event may have many MB, and is refused on the event loop, which all sessions share."""
    long = "x" * 2_000_000
    assert seconds({"only": long}) < 30 * seconds({"each": long})


def seconds(value: Any) -> float:
    """The least time of three that a refusal takes, with decoding."""
    encoded, times = msgspec.json.encode(value), list[float]()
    for _ in range(3):
        started = time.perf_counter()
        refusal(msgspec.json.decode(encoded))
        times.append(time.perf_counter() - started)
    return min(times)
