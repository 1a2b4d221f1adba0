"""JSON of clients: what is read, and what is refused with which reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.protocol.json_values import MAX_DEPTH, MAX_UNCOUNTED_BYTES, MAX_VALUES, UnreadableJson, read_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner),
)


def nested(levels: int, kind: str) -> str:
    """A text with `levels` containers inside one another."""
    if kind == "arrays":
        return "[" * levels + "]" * levels
    if kind == "objects":
        return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)
    return '[{"a":' * (levels // 2) + ("[]" if levels % 2 else "1") + "}]" * (levels // 2)


def refusal(text: str | bytes) -> str:
    with pytest.raises(UnreadableJson) as refused:
        read_json(text)
    return str(refused.value)


@given(VALUES)
def test_json_is_read_as_python_reads_it(value: object):
    text = json.dumps(value)
    assert read_json(text) == value
    assert read_json(text.encode()) == value


@pytest.mark.parametrize("kind", ["arrays", "objects", "both"])
def test_values_may_be_nested_up_to_the_bound(kind: str):
    assert read_json(nested(MAX_DEPTH, kind)) == json.loads(nested(MAX_DEPTH, kind))


@pytest.mark.parametrize("kind", ["arrays", "objects", "both"])
@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 500, 980, 1023, 1024, 1025, 5000, 90_000])
def test_what_is_nested_deeper_is_refused(kind: str, levels: int):
    reason = refusal(nested(levels, kind))
    assert reason == f"it is nested more than {MAX_DEPTH} levels deep" or f"at most {MAX_VALUES} are accepted" in reason


def test_depth_beside_much_else_is_found():
    assert "nested" in refusal(f'{{"a": 1, "b": [{nested(980, "arrays")}, 2], "c": "x"}}')


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("{'a': 1}", "malformed"),
        ("[1,]", "malformed"),
        ("NaN", "malformed"),
        ("[Infinity]", "malformed"),
        ("1 2", "malformed"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"\\udc00": 1}', ""),
        (b'"\xff"', ""),
        (str(2**64), "integer of more than 64 bits"),
        (str(-(2**63) - 1), "integer of more than 64 bits"),
        ('{"a": [1, {"b": 123456789012345678901234567890}]}', "integer of more than 64 bits"),
        ('{"a": 1, "a": 1}', "the key 'a' twice"),
        ('{"x": {"a": 1, "a": 2}}', "the key 'a' twice"),
        ('{"x": [{"a:b": 1, "a:b": 2}]}', "the key 'a:b' twice"),
    ],
)
def test_what_is_no_json_or_not_of_use_is_refused_with_the_reason(text: str | bytes, reason: str):
    assert reason in refusal(text)


@pytest.mark.parametrize(
    "text", ['{"a": "b:c:d"}', '{"a:b": {"a:b": 1}}', '["a:a", "a:a"]', str(2**64 - 1), str(-(2**63))]
)
def test_what_only_looks_like_it_is_read(text: str):
    assert read_json(text) == json.loads(text)


def test_a_long_key_is_quoted_in_part():
    key = "k" * 10_000
    assert len(refusal(f'{{"{key}": 1, "{key}": 2}}')) < 200


def test_the_number_of_values_is_bounded():
    assert len(read_json("[" + "1," * (MAX_VALUES - 3) + "1]")) == MAX_VALUES - 2
    assert f"at most {MAX_VALUES} are accepted" in refusal("[" + "1," * MAX_VALUES + "1]")
    commas = json.dumps("," * (MAX_UNCOUNTED_BYTES - 2))
    assert read_json(commas) == json.loads(commas)
